"""Bytes for the comparison with Flower are counted by a proxy; it must count and change none."""

import socket
import threading

from tools.flower_app.counting_proxy import CountingProxy


def test_each_byte_is_passed_on_and_counted_in_its_direction() -> None:
    sent, answered = bytes(range(256)) * 1000, b"thanks" * 5000
    with socket.create_server(("127.0.0.1", 0)) as server, CountingProxy() as proxy:
        received = bytearray()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while piece := connection.recv(4096):
                    received.extend(piece)
                connection.sendall(answered)

        serving = threading.Thread(target=serve)
        serving.start()
        proxy.towards(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            back = b"".join(iter(lambda: client.recv(4096), b""))
        serving.join(30)
    assert (bytes(received), back) == (sent, answered)
    assert (proxy.up, proxy.down) == (len(sent), len(answered))
