"""The other compressors: what each is called, where it is installed, and how it is run."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.bench.peers.job import Job, taken_path

_ROOT = Path(__file__).resolve().parent.parent.parent
_ENVIRONMENTS = _ROOT / ".cache" / "peers"
INSTALL = "tools/bench/peers.sh"


class LeftOut(Exception):
    """Why there is nothing to measure."""


@dataclass(frozen=True)
class Taken:
    """What making an artifact took."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Peer:
    """One way of one tool.

    Attributes:
        title: its row.
        module: below `tools.bench.peers`, what runs it.
        mode: which way.
        environment: the folder below `.cache/peers` where the tool is installed; `None` is
            edgekit's own.
        needs_classes: whether it has to be told what is right.
    """

    title: str
    module: str
    mode: str = "default"
    environment: str | None = None
    needs_classes: bool = False

    def compress(self, model: Path, calibration: Path, out: Path) -> Taken:
        """Runs it as a process of its own, with one thread.

        Raises:
            LeftOut: it is not installed, or failed.
        """
        python = Path(sys.executable)
        if self.environment is not None:
            python = _ENVIRONMENTS / self.environment / "bin" / "python"
            if not python.exists():
                raise LeftOut(f"not installed: run {INSTALL}")
        job = Job(self.mode, str(model), str(calibration), str(out))
        return taken_by(python, f"tools.bench.peers.{self.module}", job.encode(), out)


PEERS = (
    Peer("onnxruntime static, U8S8 per channel", "onnxruntime_peer", "u8s8"),
    Peer("onnxruntime static, U8S8 per tensor", "onnxruntime_peer", "u8s8-per-tensor"),
    Peer("onnxruntime static, S8S8 per channel", "onnxruntime_peer", "s8s8"),
    Peer("onnxruntime dynamic, u8 weights", "onnxruntime_peer", "dynamic-u8"),
    Peer("onnxruntime dynamic, s8 weights", "onnxruntime_peer", "dynamic-s8"),
    Peer("onnxruntime fp16", "onnxruntime_peer", "fp16"),
    Peer("NNCF", "nncf_peer", environment="nncf"),
    Peer("NNCF, accuracy control 0.5 pt", "nncf_peer", "control", "nncf", needs_classes=True),
    Peer("Neural Compressor", "neural_compressor_peer", environment="neural-compressor"),
)


def taken_by(python: Path, module: str, argument: str, out: Path) -> Taken:
    """Runs a module that writes `out` and says what that took: see `tools.bench.peers.job`.

    Raises:
        LeftOut: it failed; says its last words.
    """
    alone = {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, "-m", module, argument],
        cwd=out.parent,  # some leave files where they run
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0 or not taken_path(str(out)).exists():
        words = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise LeftOut(f"failed: {words[-1][:200] if words else f'exit code {done.returncode}'}")
    return Taken(**json.loads(taken_path(str(out)).read_text(encoding="utf-8")))
