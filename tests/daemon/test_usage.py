"""Processor time and memory of a process and its children, beside psutil's figures."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from edgekit.daemon.usage import UsageMeter

_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"],
                         stdin=subprocess.PIPE)
input()
child.communicate(b"x")
"""


def test_memory_is_that_of_the_whole_family() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    parent.stdout.readline()  # the child runs
    family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children(recursive=True)]
    usage = UsageMeter(parent.pid).read()
    expected = sum(process.memory_full_info().pss for process in family) / 1e6
    parent.communicate("x")
    assert len(family) == 2
    assert usage.memory_mb == pytest.approx(expected, rel=0.05)
    assert usage.cpu_percent is None


def test_processor_time_is_a_share_of_the_time_between_readings(tmp_path: Path) -> None:
    now = [10.0]
    process = tmp_path / "7"
    process.mkdir()
    meter = UsageMeter(7, proc=tmp_path, clock_s=lambda: now[0])
    for ticks, clock_s in ((100, 10.0), (200, 14.0)):
        stat = f"7 (a (name) 1 2) S {'0 ' * 10}{ticks // 2} {ticks // 2} 0 0"
        (process / "stat").write_text(stat)
        now[0] = clock_s
        usage = meter.read()
    assert usage.cpu_percent == pytest.approx(100 * 1.0 / 4.0, rel=0.1)
    assert usage.memory_mb is None


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert UsageMeter(2**22 + 1).read().memory_mb is None
