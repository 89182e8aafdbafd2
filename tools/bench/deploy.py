"""`python -m tools.bench.deploy`: what a deploy over SSH costs, beside scp of the same archive.

A board is a folder behind a private ssh server on this machine; its daemon is real and runs. The
trial's window and the daemon's look for hints are waits, not work: they are in the time, as they
are for whoever waits. Deploy and scp take turns.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgekit.bundle import Bundle, archive_bytes
from edgekit.deploy.ssh.board import find_board
from edgekit.deploy.ssh.connection import Connection, Destination, WireBytes
from edgekit.deploy.ssh.deployment import deploy
from edgekit.deploy.ssh.layout import Layout, Service, layout_of
from edgekit.deploy.ssh.signing import private_signer
from edgekit.messaging.payloads import DeployStatus
from tools.crash_points.making import tiny_bundle
from tools.private_sshd import Sshd, missing, sshd

_ROUNDS = 5
_NOTE_BYTES = 1_300_000
_WINDOW_S = 0.5


class _Quiet:
    """Says nothing."""

    def step(self, text: str) -> None: ...

    def sending(self, what: str, done: int, total: int) -> None: ...

    def status(self, status: DeployStatus) -> None: ...


def main() -> None:
    """Deploys one version after another, each followed by an scp of the same archive."""
    why = missing()
    if why is not None:
        sys.exit(why)
    with tempfile.TemporaryDirectory() as name, sshd(Path(name) / "sshd") as server:
        folder = Path(name)
        layout = layout_of("process", f"{folder}/board")
        bundles = [_bundle(folder, number) for number in range(_ROUNDS + 2)]
        _furnish(folder, layout, bundles[0])
        try:
            _deploy(server, layout, bundles[1], folder)  # makes keys, and starts the daemon
            rows = [_round(server, layout, bundle, folder) for bundle in bundles[2:]]
            again, _ = _deploy(server, layout, bundles[-1], folder)
        finally:
            subprocess.run(["sh", "-c", Service(layout).stop()], check=False)
        archive = len(archive_bytes(bundles[-1]))
    deployed, _, copied, _ = rows[-1]
    print(f"archive                 {archive:>10,} bytes")
    print(f"deploy, to the board    {deployed.sent:>10,} bytes, {deployed.received:,} back")
    print(f"scp, to the board       {copied:>10,} bytes")
    print(f"the same deploy again   {again.sent:>10,} bytes, {again.received:,} back")
    ratios = [took / scp for _, took, _, scp in rows]
    print(
        f"time over scp's         {statistics.median(ratios):>10.1f} "
        f"({min(ratios):.1f} to {max(ratios):.1f}); of it {_WINDOW_S:g} s the trial's window, "
        "and up to 2 s until the daemon looks for hints"
    )


def _round(
    server: Sshd, layout: Layout, bundle: Bundle, folder: Path
) -> tuple[WireBytes, float, int, float]:
    counted, took_s = _deploy(server, layout, bundle, folder)
    archive = folder / "archive.tar.xz"
    archive.write_bytes(archive_bytes(bundle))
    began = time.perf_counter()
    there = f"{server.destination}:{folder}/copied"
    copy = ["scp", "-v", "-F", str(server.config), str(archive), there]
    done = subprocess.run(copy, capture_output=True, text=True, check=True)
    scp_s = time.perf_counter() - began
    sent = next(line for line in done.stderr.splitlines() if line.startswith("Transferred: "))
    return counted, took_s, int(sent.split()[2].rstrip(",")), scp_s


def _deploy(server: Sshd, layout: Layout, bundle: Bundle, folder: Path) -> tuple[WireBytes, float]:
    began = time.perf_counter()
    with Connection(Destination(server.destination, config=server.config)) as connection:
        board = find_board(connection, layout)
        deploy(
            board,
            bundle,
            lambda trusted: private_signer("board", trusted=trusted, home=folder / "home"),
            progress=_Quiet(),
        )
        counted = connection.close()
    return counted, time.perf_counter() - began


def _bundle(folder: Path, number: int) -> Bundle:
    note = random.Random(number).randbytes(_NOTE_BYTES)
    version = f"1.{number}.0"
    return tiny_bundle(folder / "made" / version, version, gain=1 + number / 1000, note=note)


def _furnish(folder: Path, layout: Layout, shipped: Bundle) -> None:
    """Puts edgekit, settings and a bundle on the board, as if by hand."""
    for name, module in (("python", ""), ("edgekitd", " -m edgekit.daemon.main")):
        path = Path(layout.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n')
        path.chmod(0o755)
    rows = folder / "rows.csv"
    rows.write_text("a,b\n" + "1,1\n" * 100_000)
    config = Path(layout.config)
    config.parent.mkdir(parents=True)
    config.write_text(
        f'state = "{layout.state}"\n[pipelines.pump]\nbundle = "{shipped.path}"\n'
        f'source = {{ kind = "csv", path = "{rows}", interval_s = 0.02 }}\n'
        f'sinks = [{{ kind = "jsonl", path = "{folder}/out.jsonl" }}]\n'
        f'[updates]\nrepository = "{layout.state}/repository"\n'
        f'root = "{config.parent}/root.json"\n'
        f"canary = {{ window_s = {_WINDOW_S}, min_samples = 5, max_latency_ratio = 1000 }}\n"
    )


if __name__ == "__main__":
    main()
