"""The demo of learning together, as a newcomer runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import need_broker


@pytest.mark.broker
def test_the_demo_ends_in_a_bundle_that_knows_better() -> None:
    need_broker()
    done = subprocess.run(
        [sys.executable, "-m", "tools.federated_demo", "--rounds", "3"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "wrote learned: pumps 1.0.1" in done.stdout + done.stderr
    scores = [
        float(line.split("score")[1].split()[0])
        for line in done.stdout.splitlines()
        if line.startswith("new.csv")
    ]
    assert len(scores) == 2
    assert scores[1] < scores[0]
