"""What deploys over SSH decide without any board: probing, wheels, layouts, files, protocol."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import Bundle, archive_bytes
from edgekit.daemon.deploy_control.describing import report_of
from edgekit.daemon.deploy_control.hinting import follow, withdraw
from edgekit.daemon.deploy_control.messages import (
    BoardReport,
    BundleReport,
    FileNote,
    Offsets,
    Parcel,
    Shipping,
    decode_line,
    encode_line,
)
from edgekit.daemon.deploy_control.receiving import receive
from edgekit.daemon.deploy_control.shipping import place_of, ship
from edgekit.daemon.deploy_control.tidying import superfluous
from edgekit.deploy.ssh.bootstrap import settings_files
from edgekit.deploy.ssh.checks import check_bundle, check_settings
from edgekit.deploy.ssh.layout import layout_of
from edgekit.deploy.ssh.probing import (
    Facts,
    Python,
    check_installable,
    check_rights,
    facts_of,
)
from edgekit.deploy.ssh.removal import what_goes
from edgekit.deploy.ssh.system_files import system_files
from edgekit.deploy.ssh.wheels import fits, wheels_for
from edgekit.errors import BundleError, ConfigError, InputError, Unavailable
from edgekit.messaging.payloads import DeployDesired, DeployStatus, encode
from edgekit.update import Release, SlotState

PI = Facts(
    has_sudo=True,
    systemd=252,
    machine="aarch64",
    pythons=(Python("/usr/bin/python3", (3, 11)),),
    free_bytes=10**10,
)


def note(path: str, data: bytes) -> FileNote:
    return FileNote(path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_what_the_probe_prints_is_read() -> None:
    found = facts_of(
        "uid 1000\nsudo\nsystemd 252\nmachine aarch64\npython /usr/bin/python3 3 11 64 0\n"
        "python /usr/bin/python3.13\nedgekit 0.1.0\nfree 2000\nnoise here\n"
    )
    assert found == Facts(
        has_sudo=True,
        systemd=252,
        machine="aarch64",
        pythons=(Python("/usr/bin/python3", (3, 11), 64, False),),
        edgekit="0.1.0",
        free_bytes=2_048_000,
    )


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_whatever_a_board_prints_makes_facts(printed: str) -> None:
    facts_of(printed)
    facts_of("python " + printed)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"is_taken": True}, "holds something that is not edgekit's"),
        ({"machine": "armv7l"}, "is armv7l; edgekit runs on x86_64 and aarch64"),
        ({"pythons": ()}, "needs a 64-bit Python 3.11 to 3.13; it has none"),
        ({"pythons": (Python("p", (3, 9)),)}, "it has 3.9 (64-bit)"),
        ({"pythons": (Python("p", (3, 11), 32),)}, "it has 3.11 (32-bit)"),
        ({"pythons": (Python("p", (3, 11), 64, False),)}, "apt install python3-venv"),
        ({"free_bytes": 10**7}, "the disk is full"),
    ],
)
def test_a_board_that_cannot_take_edgekit_is_told_why(change: dict[str, object], says: str) -> None:
    facts = Facts(**{**PI.__dict__, **change})  # type: ignore[arg-type]
    with pytest.raises(InputError) as raised:
        check_installable(facts, layout_of(), destination="pi@door")
    assert says in str(raised.value)


def test_rights_and_systemd_are_asked_for_where_they_are_needed() -> None:
    check_rights(PI, layout_of(), destination="pi@door")
    with pytest.raises(InputError, match="may not become root there.*NOPASSWD"):
        check_rights(Facts(systemd=252), layout_of(), destination="pi@door")
    with pytest.raises(InputError, match="is not run by systemd"):
        check_rights(Facts(is_root=True), layout_of(), destination="pi@door")
    check_rights(Facts(), layout_of("process", "/home/pi/edgekit"), destination="pi@door")


@pytest.mark.parametrize(
    "prefix", ["opt/x", "/opt", "/", "/opt/../etc", "/a b/c", "/a/$(x)", "/a/"]
)
def test_a_prefix_that_could_do_harm_is_refused(prefix: str) -> None:
    with pytest.raises(InputError, match="--prefix"):
        layout_of("process", prefix)


def test_an_uninstall_keeps_settings_and_state_unless_all_is_to_go() -> None:
    layout = layout_of()
    assert not {"/etc/edgekit", "/var/lib/edgekit"} & set(what_goes(layout, purge=False))
    assert {"/etc/edgekit", "/var/lib/edgekit"} <= set(what_goes(layout, purge=True))


def test_unit_files_are_found_and_name_the_prefix() -> None:
    files = system_files(layout_of("systemd", "/srv/edgekit"), systemd=252)
    unit = files["/etc/systemd/system/edgekitd.service"].decode()
    assert "ExecStart=/srv/edgekit/bin/edgekitd " in unit
    assert "/opt/edgekit" not in unit
    assert not any("backoff" in path for path in files)
    assert any("backoff" in path for path in system_files(layout_of(), systemd=254))


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("click-8.1-py3-none-any.whl", True),
        ("six-1-py2.py3-none-any.whl", True),
        ("numpy-2-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", True),
        ("numpy-2-cp312-cp312-manylinux_2_17_aarch64.whl", False),
        ("numpy-2-cp311-cp311-manylinux_2_17_x86_64.whl", False),
        ("numpy-2-cp311-cp311-musllinux_1_2_aarch64.whl", False),
        ("opencv-4-cp37-abi3-manylinux_2_28_aarch64.whl", True),
        ("x-1-cp313-abi3-linux_aarch64.whl", False),
        ("y-1-1build-py3-none-linux_aarch64.whl", True),
        ("notes.txt", False),
    ],
)
def test_wheels_are_told_by_their_names(name: str, fit: bool) -> None:
    assert fits(name, python=PI.pythons[0], machine="aarch64") is fit


def test_a_folder_without_edgekits_own_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "click-8.1-py3-none-any.whl").touch()
    with pytest.raises(InputError, match="holds no wheel of edgekit; fill it with"):
        wheels_for(tmp_path, python=PI.pythons[0], machine="aarch64")


def test_settings_get_a_table_of_updates_where_they_have_none(tmp_path: Path) -> None:
    (tmp_path / "edgekit.toml").write_text('state = "s"')
    (tmp_path / "ca.pem").write_text("x")
    made = settings_files(tmp_path, layout_of())
    assert made["ca.pem"] == b"x"
    assert b'\n[updates]\nrepository = "/var/lib/edgekit/repository"\n' in made["edgekit.toml"]
    (tmp_path / "edgekit.toml").write_text("[updates]\nrepository = 'x'\n")
    assert settings_files(tmp_path, layout_of())["edgekit.toml"].count(b"[updates]") == 1
    (tmp_path / "edgekit.toml").write_text("[[")
    with pytest.raises(ConfigError):
        settings_files(tmp_path / "edgekit.toml", layout_of())


def test_what_a_board_would_refuse_is_refused_before_it_is_sent(
    means: Mapping[str, Bundle],
) -> None:
    runs = BundleReport(name="mean", installed="1.2.0", refused="1.3.0", reason="it was slow")
    report = BoardReport(edgekit="1", engines=("onnxruntime",), bundles=(runs,))

    def said(version: str, **change: object) -> str:
        with pytest.raises((InputError, BundleError)) as raised:
            check_bundle(
                msgspec.structs.replace(report, **change), means[version], destination="pi@door"
            )
        return str(raised.value)

    check_bundle(report, means["1.2.0"], destination="pi@door")
    assert "needs onnxruntime, which the board does not have (it has litert)" in said(
        "1.2.0", engines=("litert",)
    )
    assert "lower than the installed 1.2.0" in said("1.1.0")
    assert "rolled back on this board before (it was slow)" in said("1.3.0")
    assert "no pipeline of the board runs a bundle mean (it runs none)" in said("1.2.0", bundles=())


def test_settings_that_follow_no_deploys_are_told_what_to_add() -> None:
    layout = layout_of()
    report = BoardReport(edgekit="1", has_settings=True)
    with pytest.raises(InputError, match=r"has no table \[updates\].*add the lines"):
        check_settings(report, layout, destination="pi@door")
    elsewhere = BoardReport(edgekit="1", has_settings=True, repository="https://u.example")
    with pytest.raises(InputError, match="takes its updates from https://u.example"):
        check_settings(elsewhere, layout, destination="pi@door")
    wrong = BoardReport(edgekit="1", has_settings=True, mistakes=("pipelines: missing",))
    with pytest.raises(ConfigError, match="pipelines: missing"):
        check_settings(wrong, layout, destination="pi@door")
    with pytest.raises(InputError, match="--bootstrap --config"):
        check_settings(BoardReport(edgekit="1"), layout, destination="pi@door")


def test_a_rollback_goes_to_what_was_committed_before_or_to_the_settings_own() -> None:
    one, two = (Release(name="m", version=f"1.{n}.0", sha256="a" * 64) for n in (0, 1))

    def back(state: SlotState) -> str | None:
        return report_of(state, "0.9.0", pipelines=("p",), status=None).back

    assert back(SlotState(name="m")) is None
    assert back(SlotState(name="m", current=one)) == "0.9.0"
    assert back(SlotState(name="m", current=two, previous=one)) == "1.0.0"


def test_tidying_spares_roots_other_bundles_and_what_was_pushed() -> None:
    keep = {"metadata/3.targets.json", "targets/door/b.door-1.1.0.tar.xz"}
    old = ["metadata/2.targets.json", "targets/door/a.door-1.0.0.tar.xz", "incoming/x.part"]
    spared = ["metadata/1.root.json", "metadata/timestamp.json", "targets/hall/a.xz", ".lock"]
    assert superfluous([*keep, *old, *spared], keep=keep, bundle="door") == old


def received(folder: Path, parcel: Parcel, *data: bytes) -> tuple[int, ...]:
    answer = io.BytesIO()
    receive(folder, io.BytesIO(encode_line(parcel) + b"".join(data)), answer)
    return decode_line(answer.getvalue().splitlines()[0], Offsets).have


def test_what_broke_off_is_gone_on_with_and_what_came_damaged_is_not_kept(tmp_path: Path) -> None:
    one, two = b"1" * 100_000, b"2" * 1000
    parcel = Parcel(files=(note("targets/a/one.xz", one), note("metadata/two.json", two)))
    with pytest.raises(Unavailable, match=r"targets/a/one.xz: broke off 40000 bytes before"):
        received(tmp_path, parcel, one[:60_000])
    assert received(tmp_path, parcel, one[60_000:], two) == (60_000, 0)
    assert received(tmp_path, parcel) == (100_000, 1000)
    assert (tmp_path / "targets/a/one.xz").read_bytes() == one

    three = Parcel(files=(*parcel.files, note("metadata/three.json", b"333")))
    with pytest.raises(Unavailable, match="came damaged"):
        received(tmp_path, three, b"3x3")
    assert not (tmp_path / "metadata/three.json").exists()
    assert received(tmp_path, three, b"333") == (100_000, 1000, 0)

    (tmp_path / "metadata/two.json").write_bytes(b"x" * 1000)  # rot
    assert received(tmp_path, parcel, two) == (100_000, 0)


@pytest.mark.parametrize(
    "path", ["../x", "metadata/../x", "/etc/x", "metadata", "targets/.x", "other/x", "targets//x"]
)
def test_nothing_is_written_outside_the_repository(tmp_path: Path, path: str) -> None:
    line = json.dumps({"files": [{"path": path, "size_bytes": 1, "sha256": "0" * 64}]}).encode()
    with pytest.raises(InputError, match="not understood"):
        receive(tmp_path / "r", io.BytesIO(line + b"\nx"), io.BytesIO())
    assert not (tmp_path / "r").exists()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_lines_that_make_no_sense_are_refused(line: bytes) -> None:
    for kind in (Parcel, Offsets, Shipping, BoardReport):
        try:
            decode_line(line, kind)
        except InputError:
            continue


def test_a_disk_that_is_too_small_is_found_out_before_anything_is_sent(tmp_path: Path) -> None:
    huge = FileNote(path="targets/a/x.xz", size_bytes=1 << 40, sha256="0" * 64)
    with pytest.raises(InputError, match="disk is full: the update needs 1099512.7 MB"):
        received(tmp_path, Parcel(files=(huge,)))


def test_the_missing_bundle_is_found_by_its_name() -> None:
    assert place_of("door", ["/b/hall"]) == Path("/b/hall")
    assert place_of("door", ["/b/hall", "/b/door-1.0.0"]) == Path("/b/door-1.0.0")
    with pytest.raises(InputError, match="call the folder of this one door"):
        place_of("door", ["/b/x", "/b/y"])
    with pytest.raises(InputError, match="no bundle that is missing"):
        place_of("door", [])


def test_an_archive_that_is_another_bundle_is_not_put_in_place(
    means: Mapping[str, Bundle], tmp_path: Path
) -> None:
    data = archive_bytes(means["1.1.0"])
    (tmp_path / "targets" / "mean").mkdir(parents=True)
    (tmp_path / "targets/mean/a.tar.xz").write_bytes(data)
    archive = note("targets/mean/a.tar.xz", data)
    wrong = Shipping(name="mean", version="9.9.9", archive=archive, unpacked_bytes=10**6)
    with pytest.raises(BundleError, match=r"holds mean 1\.1\.0"):
        ship(wrong, repository=tmp_path, folder=tmp_path / "out" / "mean")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_hint_is_followed_to_its_end_and_taken_away(tmp_path: Path) -> None:
    wish = DeployDesired(version="1.1.0", rollout="mine")
    status = tmp_path / "updates" / "status" / "mean.json"
    hint = tmp_path / "updates" / "hints" / "mean.json"
    status.parent.mkdir(parents=True)
    says = iter(
        [
            DeployStatus(boot="b", phase="committed", version="1.0.0", rollout="another"),
            DeployStatus(boot="b", phase="trial", version="1.1.0", rollout="mine"),
            DeployStatus(boot="b", phase="committed", version="1.1.0", rollout="mine"),
        ]
    )

    def daemon(_: float) -> None:
        assert hint.exists()
        status.write_bytes(encode(next(says)))

    told = [s.phase for s in follow(tmp_path, "mean", wish, for_s=60, wait=daemon)]
    assert told == ["committed", "trial", "committed"]
    assert not hint.exists()
    # once more, as after a lost connection: the last word is still there, and no hint is left
    again = follow(tmp_path, "mean", wish, for_s=60, wait=lambda _: None)
    assert [s.phase for s in again] == ["committed"]
    assert not hint.exists()


def test_only_ones_own_hint_is_withdrawn(tmp_path: Path) -> None:
    hint = tmp_path / "updates" / "hints" / "mean.json"
    hint.parent.mkdir(parents=True)
    hint.write_bytes(encode(DeployDesired(version="1.1.0", rollout="another")))
    withdraw(tmp_path, "mean", "mine")
    assert hint.exists()
    withdraw(tmp_path, "mean", "another")
    assert not hint.exists()
    withdraw(tmp_path, "mean", "another")  # nothing is there: no harm
