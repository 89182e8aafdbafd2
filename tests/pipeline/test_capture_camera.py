"""A live source in a real child: what the newest picture is, and how each kind of death ends."""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from edgekit.array import Array
from edgekit.bundle import PictureRule
from edgekit.errors import Stuck, Unavailable
from edgekit.pipeline.capture.settings import CameraSettings, RpicamSettings
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Refusal, Sample
from tests.pipeline.capture_cameras import FAKE_CHILD, HEIGHT, WIDTH, camera, comes_true

RULE = PictureRule(height=32, width=32, fit="stretch")
STALL_S = 0.5


def source_of(settings: CameraSettings, **more: object) -> CaptureSource:
    return CaptureSource(settings, rule=RULE, command=FAKE_CHILD, **more)  # type: ignore[arg-type]


def samples(source: CaptureSource) -> Iterator[Sample]:
    for item in source.items():
        assert isinstance(item, Sample)
        yield item


def take(source: CaptureSource, count: int) -> list[int]:
    """The numbers of so many pictures, each given back at once."""
    numbers = []
    for item in islice(samples(source), count):
        numbers.append(number_of(item))
        item.release()
    return numbers


def number_of(sample: Sample) -> int:
    return int(sample.origin.partition("#")[2])


def jpeg(data: bytes | None) -> Array:
    assert data is not None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return picture


def is_over(program: psutil.Process) -> bool:
    """Whether a program has ended, though perhaps nobody has asked how."""
    try:
        return program.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_pictures_come_in_order_as_rgb_and_with_the_drivers_time() -> None:
    with source_of(camera("steady")) as source:
        first, second = islice(samples(source), 2)
        assert number_of(first) < number_of(second)
        period_ns = 20_000_000
        apart = (second.taken_at_ns - first.taken_at_ns) / period_ns
        assert apart == pytest.approx(number_of(second) - number_of(first), abs=1e-3)
        assert 0 <= time.monotonic_ns() - second.taken_at_ns < 2_000_000_000
        assert (second.data[0, 0] == (0, 0, 255)).all()  # blue, in RGB
        assert (second.data[-1, -1] == number_of(second)).all()


def test_only_the_newest_picture_waits_for_a_slow_reader() -> None:
    with source_of(camera("steady")) as source:
        items = samples(source)
        before = next(items)
        before.release()
        time.sleep(0.5)  # 25 pictures pass
        next(items).release()  # it was asked for before: the first of them
        after = next(items)
        assert number_of(after) - number_of(before) >= 20
        assert time.monotonic_ns() - after.taken_at_ns < 300_000_000
        assert source.skipped >= 15


def test_a_held_picture_is_never_written_over() -> None:
    with source_of(camera("steady")) as source:
        items = samples(source)
        held = next(items)
        copy = held.data.copy()
        for item in islice(items, 10):
            item.release()
        np.testing.assert_array_equal(held.data, copy)


def test_holding_every_slot_for_long_is_no_stall() -> None:
    with source_of(camera("steady", stall_s=STALL_S)) as source:
        items = samples(source)
        held = [next(items) for _ in range(3)]
        threading.Timer(3 * STALL_S, held[0].release).start()
        assert number_of(next(items)) > number_of(held[-1])


def test_the_rate_can_be_changed_while_it_runs_and_outlives_a_restart() -> None:
    source = source_of(camera("steady", stall_s=STALL_S))
    with source:
        take(source, 3)
        source.set_rate(10.0)
        items = samples(source)
        for item in islice(items, 2):  # what was under way
            item.release()
        slow = [number_of(item) for item in islice(items, 3) if item.release() is None]
        assert np.diff(slow).tolist() == pytest.approx([5, 5], abs=1)
        assert source.thinned >= 8
        source.set_rate(None)
        fast = take(source, 10)
        assert min(np.diff(fast[3:])) == 1
        source.set_rate(0.5)
    with source:  # two seconds between pictures are no stall, since the camera gives some
        numbers = take(source, 2)
    assert numbers[1] - numbers[0] == pytest.approx(100, abs=5)


def test_a_snapshot_is_what_the_model_sees_or_the_whole_picture() -> None:
    with source_of(camera("steady", region=(0.5, 0.5, 0.5, 0.5), flip="horizontal")) as source:
        assert source.snapshot(0.05) is None  # there is none yet
        items = samples(source)
        next(items).release()
        fitted, full = jpeg(source.snapshot(10.0)), jpeg(source.snapshot(10.0, full=True))
        assert fitted.shape == (RULE.height, RULE.width, 3)
        assert np.ptp(fitted) <= 2
        assert full.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(full[2, -3].astype(int) - (0, 0, 255)).max() < 10  # mirrored: top right
        next(items).release()  # and the frames go on


def test_snapshots_from_many_threads_disturb_no_frame() -> None:
    with source_of(camera("steady")) as source:
        take(source, 1)
        taken: list[bytes | None] = []
        threads = [
            threading.Thread(target=lambda: taken.append(source.snapshot(10.0, full=True)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        numbers = take(source, 10)
        for thread in threads:
            thread.join()
        assert numbers == sorted(numbers)
        assert len(taken) == 8
        assert any(taken)


@pytest.mark.parametrize("behaviour", ["hangs-after-three", "slower-and-slower"])
def test_a_driver_that_hangs_is_unavailable_and_its_child_gone(behaviour: str) -> None:
    with source_of(camera(behaviour, stall_s=STALL_S)) as source:
        pid = source.child_pid
        with pytest.raises(Unavailable, match=rf"/{behaviour}: no picture for 0.5 s"):
            take(source, 1000)
        assert not psutil.pid_exists(pid)


def test_a_driver_that_hangs_while_it_is_opened_is_stopped_at_once_when_asked() -> None:
    with source_of(camera("hangs-on-open")) as source:
        threading.Timer(1.0, source.stop).start()
        assert list(source.items()) == []
        pid = source.child_pid
    assert not psutil.pid_exists(pid)


def test_a_stopped_child_is_unavailable_and_the_next_one_gives_pictures() -> None:
    source = source_of(camera("steady", stall_s=STALL_S))
    with source:
        take(source, 1)
        with stopped(source.child_pid), pytest.raises(Unavailable, match="no picture for"):
            take(source, 100)
    with source:
        assert len(take(source, 3)) == 3


def test_a_killed_child_is_unavailable_and_the_next_one_gives_pictures() -> None:
    source = source_of(camera("steady"))
    with source:
        take(source, 1)
        os.kill(source.child_pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match=r"died \(SIGKILL\)"):
            take(source, 100)
    with source:
        assert len(take(source, 3)) == 3


def test_stop_and_snapshot_do_not_wait_for_a_stopped_child() -> None:
    with source_of(camera("steady", stall_s=60.0)) as source:
        take(source, 1)
        with stopped(source.child_pid):
            assert source.snapshot(0.1) is None
            threading.Timer(0.3, source.stop).start()
            list(source.items())


def test_a_child_that_no_signal_reaches_is_stuck() -> None:
    source = source_of(
        camera("steady", stall_s=STALL_S), kill=lambda _group: None, kill_timeout_s=0.2
    )
    with source:
        take(source, 1)
        with stopped(source.child_pid), pytest.raises(Stuck, match="reboot"):
            take(source, 100)


def test_what_a_driver_started_ends_with_its_child() -> None:
    with source_of(camera("starts-a-program", stall_s=STALL_S)) as source:
        take(source, 1)
        (program,) = psutil.Process(source.child_pid).children()
        os.kill(source.child_pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            take(source, 100)
    assert comes_true(lambda: is_over(program))


def test_a_camera_that_is_unplugged_is_unavailable() -> None:
    with (
        source_of(camera("gone-after-three")) as source,
        pytest.raises(Unavailable, match="plugged in"),
    ):
        take(source, 100)


def test_a_camera_that_gives_only_garbage_is_unavailable_after_some() -> None:
    with source_of(camera("garbage")) as source:
        items = source.items()
        assert isinstance(next(items), Refusal)
        with pytest.raises(Unavailable, match="30 pictures in a row"):
            list(items)


def test_a_crash_is_told_with_its_last_words_and_without_secrets() -> None:
    with (
        source_of(camera("crashes-after-three")) as source,
        pytest.raises(Unavailable, match=r"exit code 9.*bad luck") as raised,
    ):
        take(source, 100)
    assert "secret" not in str(raised.value)


def test_a_driver_that_chatters_neither_stalls_nor_fills_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("DEBUG"), source_of(camera("chatters", stall_s=5.0)) as source:
        assert len(take(source, 10)) == 10
    assert len(caplog.messages) <= 2
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("said", [b"\xff" * 40, b"\x81\xa4type\xa8Captured", b"\x00"])
def test_a_child_that_speaks_nonsense_is_unavailable(said: bytes) -> None:
    program = f"import os, sys, time; os.write(int(sys.argv[2]), {said!r}); time.sleep(60)"
    source = CaptureSource(
        camera("steady"), rule=RULE, command=(sys.executable, "-S", "-c", program)
    )
    with source, pytest.raises(Unavailable, match="nonsense"):
        list(source.items())


def test_a_camera_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    settings = CameraSettings(device=str(tmp_path / "video9"))
    with (
        CaptureSource(settings, rule=RULE) as source,
        pytest.raises(Unavailable, match=r"video9.*plugged in"),
    ):
        list(source.items())


def test_a_missing_program_says_what_to_install() -> None:
    settings = RpicamSettings(program="no-such-rpicam")
    with (
        CaptureSource(settings, rule=RULE) as source,
        pytest.raises(Unavailable, match="install rpicam-apps"),
    ):
        list(source.items())


def test_entering_twenty_times_leaks_nothing() -> None:
    source = source_of(camera("steady"))
    me = psutil.Process()
    others = set(me.children(recursive=True))

    def once(number: int) -> None:
        with source:
            held = next(samples(source))
            if number % 3 == 1:
                os.kill(source.child_pid, signal.SIGKILL)
        held.release()  # after the end, as a worker may
        assert held.data.shape == (RULE.height, RULE.width, 3)

    once(0)
    gc.collect()
    files, threads, maps = me.num_fds(), me.num_threads(), shared_maps()
    for number in range(20):
        once(number)
    gc.collect()
    assert me.num_fds() == files
    assert me.num_threads() == threads
    assert shared_maps() == maps
    assert set(me.children(recursive=True)) <= others


def shared_maps() -> int:
    return Path("/proc/self/maps").read_text().count("edgekit-capture")
