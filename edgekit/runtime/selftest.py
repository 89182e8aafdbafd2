"""A board's self-test: the golden vectors must come out as they did where the bundle was made."""

import numpy as np

from edgekit.errors import BundleError, EdgekitError
from edgekit.runtime.interpret import dequantized, softmax
from edgekit.runtime.session import Session


def check_golden(session: Session) -> int:
    """Runs every golden input and compares, by the rule in the manifest.

    Returns:
        How many inputs were compared; 0 for a bundle without golden vectors.

    Raises:
        BundleError: an output is too far from the one that was recorded for this engine.
    """
    manifest, artifact = session.bundle.manifest, session.artifact
    kind, quantization = artifact.output.kind, artifact.output.quantization
    golden = session.bundle.golden()
    if not golden:
        return 0
    where = session.bundle.path
    recorded = golden.get(artifact.golden_outputs)
    inputs = golden.get(artifact.golden_inputs, golden.get("inputs"))
    if inputs is None or recorded is None or len(inputs) != len(recorded):
        raise BundleError(f"{where}: the golden vectors have none for {artifact.label}")
    rule = manifest.golden_rule
    for number, (tensor, expected) in enumerate(zip(inputs, recorded, strict=True)):
        try:
            output = session.engine.run(tensor)[artifact.output.name]
        except EdgekitError as error:
            raise BundleError(f"{where}: golden input {number} does not run: {error}") from error
        if output.shape != expected.shape:
            raise BundleError(
                f"{where}: golden input {number} gave {list(output.shape)}, "
                f"not {list(expected.shape)}"
            )
        actual = dequantized(output, quantization)
        wanted = dequantized(expected, quantization)
        if kind == "logits":
            actual, wanted = softmax(actual.reshape(-1)), softmax(wanted.reshape(-1))
        error_share = float(np.max(np.abs(actual - wanted) / np.maximum(1.0, np.abs(wanted))))
        if not error_share <= rule.tolerance:
            raise BundleError(
                f"{where}: golden input {number} is off by {error_share:.3g} on this machine "
                f"(at most {rule.tolerance:g}); do not use this bundle here"
            )
        if manifest.task == "classification" and wanted.size > 1:
            second, best = np.partition(wanted.reshape(-1), -2)[-2:]
            if best - second >= rule.top1_margin and actual.argmax() != wanted.argmax():
                raise BundleError(
                    f"{where}: golden input {number} is class {actual.argmax()} on this machine, "
                    f"not {wanted.argmax()}; do not use this bundle here"
                )
    return len(inputs)
