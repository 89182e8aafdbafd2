"""Measures artifacts of any compressor by the same code, and writes them as rows of a table."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
from sklearn.metrics import roc_auc_score

from edgekit.array import Array
from edgekit.bundle import travels_bytes
from edgekit.compress.answers import Candidate, answers_to
from edgekit.compress.data import Samples
from edgekit.compress.progress import Progress
from edgekit.compress.statistics import (
    divergence,
    paired_difference,
    same_answers,
    top_k_hits,
)
from edgekit.runtime.timing import interleaved, ratio
from tools.bench.compression_peers import Taken

_INTEGER = (
    "ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "QGemm",
    "QLinearConv", "QLinearMatMul",
)  # fmt: skip
_FLOAT = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "NhwcFusedConv")
_FEWEST_ROUNDS, _MOST_ROUNDS, _SECONDS = 20, 400, 3

HEADER = (
    "tool", "bytes", "under xz", "agree", "KL", "top-1 (change, 95 %)", "speed", "INT8 layers",
    "made in", "memory",
)  # fmt: skip
_RECONSTRUCTS = {"KL": "error", "top-1 (change, 95 %)": "ROC AUC"}


def header(*, reconstructs: bool) -> str:
    """The first two lines of the table in Markdown."""
    names = [_RECONSTRUCTS.get(name, name) if reconstructs else name for name in HEADER]
    return f"| {' | '.join(names)} |\n| --- |{' ---: |' * (len(names) - 1)}"


@dataclass(frozen=True)
class Reference:
    """The float model's answers, which every artifact is held against.

    Attributes:
        candidate: the float model.
        samples: all of the data.
        held_out: indices of those that no artifact was calibrated on.
        answers: the float model's to those, `[N, answer]`.
        tensors: those as the float model takes them, flat, for an autoencoder.
    """

    candidate: Candidate
    samples: Samples
    held_out: Array
    answers: Array
    tensors: Array | None

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        samples: Samples,
        held_out: Array,
        *,
        reconstructs: bool,
        progress: Progress,
    ) -> "Reference":
        """Asks the float model."""
        answers = answers_to(candidate, samples, held_out, progress=progress)
        tensors = None
        if reconstructs:
            tensors = np.stack([candidate.tensor(samples.data[int(i)]) for i in held_out])
            tensors = tensors.reshape(len(held_out), -1)
        return cls(candidate, samples, held_out, answers, tensors)

    @property
    def targets(self) -> Array:
        """The classes of the held-out samples, -1 where one is not known: int64 `[N]`."""
        if self.samples.targets is None:
            return np.full(len(self.held_out), -1, np.int64)
        targets: Array = self.samples.targets[self.held_out]
        return targets

    def row(self, title: str, path: Path, progress: Progress) -> str:
        """The float model's own."""
        known = self.targets >= 0
        top1 = ""
        if self.tensors is not None:
            top1 = _area(self._errors(self.answers), self.targets)
        elif known.any():
            top1 = f"{top_k_hits(self.answers[known], self.targets[known], 1).mean():.1%}"
        size = path.stat().st_size
        cells = [f"{size:,}", f"{travels_bytes(path.read_bytes()):,}", "", "", top1, "1.00"]
        return _line([title, *cells, "", "", ""])

    def measure(
        self, title: str, candidate: Candidate, path: Path, taken: Taken | None, progress: Progress
    ) -> str:
        """An artifact's row."""
        answers = answers_to(
            candidate, self.samples, self.held_out, progress=progress, title=f"asking {title}"
        )
        cells = [
            f"{path.stat().st_size:,}",
            f"{travels_bytes(path.read_bytes()):,}",
            *(self._judged(answers) if self.tensors is None else self._reconstructed(answers)),
            self._speed(candidate),
            _integer_layers(path) if path.suffix == ".onnx" else "",
            "" if taken is None else f"{taken.seconds:.1f} s",
            "" if taken is None else f"{taken.peak_bytes / 2**20:,.0f} MiB",
        ]
        return _line([title, *cells])

    def _judged(self, answers: Array) -> tuple[str, str, str]:
        """Agreement, divergence and accuracy of a classifier."""
        same = same_answers(self.answers, answers, kind="scores")
        apart = divergence(self.answers, answers)
        known = self.targets >= 0
        accuracy = ""
        if known.any():
            targets = self.targets[known]
            before, after = (
                top_k_hits(rows[known], targets, 1) for rows in (self.answers, answers)
            )
            change, low, high = (100 * part for part in paired_difference(before, after))
            accuracy = f"{after.mean():.1%} ({change:+.1f}, {low:+.1f} to {high:+.1f})"
        return f"{same.mean():.1%}", f"{apart.mean():.4f}", accuracy

    def _reconstructed(self, answers: Array) -> tuple[str, str, str]:
        """The same of an autoencoder: of verdicts, of what it gives, and of its errors."""
        was, is_now = self._errors(self.answers), self._errors(answers)
        same = same_answers(
            was[:, np.newaxis],
            is_now[:, np.newaxis],
            kind="score",
            threshold=float(np.median(was)),
        )
        noise = np.square(answers - self.answers).mean() / self.answers.var(axis=0).mean()
        return f"{same.mean():.1%}", f"{noise:.4f}", _area(is_now, self.targets)

    def _errors(self, answers: Array) -> Array:
        assert self.tensors is not None
        errors: Array = np.square(answers - self.tensors).mean(axis=1)
        return errors

    def _speed(self, candidate: Candidate) -> str:
        """The float model's time over the artifact's, one thread, interleaved."""
        seen = self.samples.seen_by(candidate.input).data[0]
        own, other = self.candidate.tensor(self.samples.data[0]), candidate.tensor(seen)
        ways = {
            "float": lambda: self.candidate.engine.run(own),
            "artifact": lambda: candidate.engine.run(other),
        }
        once = sum(times.mean() for times in interleaved(ways, rounds=3).values()) / 1e9
        rounds = int(np.clip(_SECONDS / once, _FEWEST_ROUNDS, _MOST_ROUNDS))
        times = interleaved(ways, rounds=rounds)
        found = ratio(times["float"], times["artifact"])
        return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def left_out(title: str, why: str) -> str:
    """The row of what could not be measured."""
    return _line([title, why, *[""] * (len(HEADER) - 2)])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _area(errors: Array, targets: Array) -> str:
    """Under the ROC curve, where there are anomalies to be told from what is normal."""
    return f"{roc_auc_score(targets, errors):.3f}" if len(set(targets.tolist())) == 2 else ""


def _integer_layers(path: Path) -> str:
    """How many of the linear layers ONNX Runtime computes in integers on this machine."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    with TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = os.fspath(optimised)
        ort.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        kinds = [node.op_type for node in onnx.load(optimised).graph.node]
    integer = sum(kinds.count(kind) for kind in _INTEGER)
    return f"{integer} of {integer + sum(kinds.count(kind) for kind in _FLOAT)}"
