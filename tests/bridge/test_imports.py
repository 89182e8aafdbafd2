from tests.architecture.test_wall import modules_after


def test_a_daemon_without_microcontrollers_loads_no_serial_library() -> None:
    loaded = modules_after("import edgekit.daemon.main, edgekit.daemon.app, edgekit.bridge.port")
    assert "edgekit.bridge.ports" in loaded
    assert not loaded & {"serial", "cobs", "cbor2"}
