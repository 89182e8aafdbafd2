"""The manifest: what a bundle says of itself, and the only contract that both sides share.

`docs/bundle.md` describes the format field by field.
"""

from typing import Annotated, Any, Literal

import msgspec

from edgekit.bundle.picture import PictureRule
from edgekit.errors import BundleError

SCHEMA = 1
"""The schema version this edgekit writes, and the newest it reads."""

Task = Literal["classification", "anomaly", "raw"]
OutputKind = Literal["scores", "logits", "score", "reconstruction", "raw"]
DType = Literal["uint8", "int8", "float16", "float32", "float64", "int32", "int64"]
EngineName = Literal["onnxruntime", "litert"]

Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
Version = Annotated[str, msgspec.Meta(pattern=r"\A\d{1,6}\.\d{1,6}\.\d{1,6}\Z")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Dimension = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
VariantName = Annotated[str, msgspec.Meta(pattern=r"\A(?!main\Z)[a-z0-9][a-z0-9_-]{0,31}\Z")]
"""`main` is what the files of `models` are called, and the dot parts names in `golden.npz`."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of the manifest: unknown fields are mistakes."""


class Quantization(_Part, frozen=True, kw_only=True):
    """How integers stand for real numbers: ``real = scale * (integer - zero_point)``."""

    scale: Positive
    zero_point: int


class WindowRule(_Part, frozen=True, kw_only=True):
    """How sensor rows become one input: `length` rows, a new window every `hop` rows."""

    length: Dimension
    hop: Dimension
    columns: tuple[str, ...]
    """The names of the readings in a row, in the order in which the model takes them."""


class InputSpec(_Part, frozen=True, kw_only=True):
    """The one tensor a model takes.

    `picture` says how a picture becomes the tensor, `window` how sensor rows do; a model that
    has neither takes arrays of its own shape.
    """

    name: str
    dtype: DType
    shape: Annotated[tuple[Dimension, ...], msgspec.Meta(min_length=1, max_length=8)]
    picture: PictureRule | None = None
    window: WindowRule | None = None
    quantization: Quantization | None = None


class OutputSpec(_Part, frozen=True, kw_only=True):
    """The tensor that is the model's answer, and how to read it.

    `scores` [1, C] are probabilities, one a class, and `logits` become so by a softmax; `score`
    [1] is an anomaly score; `reconstruction` has the input's shape, and its mean squared distance
    from the input is the score; `raw` is passed on as it is.
    """

    name: str
    kind: OutputKind
    quantization: Quantization | None = None


class Thresholds(_Part, frozen=True, kw_only=True):
    """The anomaly score above which a sample is anomalous, and where that number comes from."""

    anomaly: float
    false_alarm_rate: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    """The share of normal samples that the threshold was chosen to let through."""


class FileEntry(_Part, frozen=True, kw_only=True):
    """A file of the bundle, by the SHA-256 and size of its bytes."""

    sha256: Sha256
    size_bytes: Count


class GoldenRule(_Part, frozen=True, kw_only=True):
    """How close a board has to come to the golden outputs before it trusts the bundle.

    INT8 kernels differ between CPUs, so classes are compared where the reference's margin
    (best minus second-best score) is at least `top1_margin`, and every value lies within
    `tolerance` of the reference: `tolerance * max(1, |reference|)`.
    """

    top1_margin: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    tolerance: Positive = 0.05


class Measured(_Part, frozen=True, kw_only=True):
    """What was measured when the bundle was made; shares are 0 to 1, `None` is not measured."""

    samples: Count = 0
    top1: float | None = None
    top5: float | None = None
    agreement: float | None = None
    """The share of samples outside calibration that get the original's answer."""
    kl: float | None = None
    """Divergence from the original's probabilities on the same samples: mean, nats."""
    size_bytes: Count = 0
    travels_bytes: Count | None = None
    """The file's size under the compression that a bundle travels with."""
    latency_ratio: float | None = None
    """Time over the original's, medians of one interleaved run, one thread; below 1 is faster."""


class Measurements(_Part, frozen=True, kw_only=True):
    """The artifact beside the model it came from."""

    original: Measured
    artifact: Measured
    """As the first engine that `models` names runs it."""
    others: dict[EngineName, Measured] = {}
    """As the other engines run theirs."""


class Requirements(_Part, frozen=True, kw_only=True):
    """What the board's engines must offer."""

    opset: Annotated[int, msgspec.Meta(ge=1)] | None = None
    engines: dict[str, str] = {}
    """The version of each engine that the bundle was made and checked with."""


class Provenance(_Part, frozen=True, kw_only=True):
    """Where the artifact came from."""

    source_sha256: Sha256 | None = None
    recipe: dict[str, Any] = {}
    tools: dict[str, str] = {}


class Variant(_Part, frozen=True, kw_only=True):
    """The same model in another form, which may be the faster one on some boards.

    It answers the same question about the same samples: a board with `engine = "auto"` times it
    beside `models`, and holds it to golden outputs of its own.
    """

    name: VariantName
    engine: EngineName
    file: str
    input: InputSpec | None = None
    """Where it takes another tensor than the bundle says."""
    output: OutputSpec | None = None
    """Where it gives another."""
    measured: Measured | None = None


class Manifest(_Part, frozen=True, kw_only=True):
    """A bundle's `manifest.json`."""

    schema: int
    name: Name
    version: Version
    task: Task
    input: InputSpec
    output: OutputSpec
    models: Annotated[dict[EngineName, str], msgspec.Meta(min_length=1)]
    """Which file each engine runs."""
    files: dict[str, FileEntry]
    """Every file of the bundle but this manifest and the report."""
    labels: str | None = None
    golden: str | None = None
    golden_rule: GoldenRule = GoldenRule()
    thresholds: Thresholds | None = None
    requires: Requirements = Requirements()
    measured: Measurements | None = None
    provenance: Provenance = Provenance()
    variants: tuple[Variant, ...] = ()
    """Written only where there are some, so that an older edgekit reads a bundle without."""


def decode_manifest(data: bytes, *, where: str) -> Manifest:
    """Reads a manifest, and refuses one that contradicts itself.

    Args:
        data: the bytes of `manifest.json`.
        where: what to call it in an error.

    Raises:
        BundleError: not JSON, of an unknown schema, or with a missing, unknown or wrong field.
    """
    try:
        schema = msgspec.json.decode(data, type=_SchemaOnly).schema
        if schema != SCHEMA:
            raise BundleError(
                f"{where}: schema version {schema} is not one this edgekit reads ({SCHEMA}); "
                f"{'upgrade edgekit' if schema > SCHEMA else 'make the bundle again'}"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise BundleError(f"{where}: not a valid manifest: {why}") from error
    for mistake in _contradictions(manifest):
        raise BundleError(f"{where}: {mistake}")
    return manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as indented JSON, ready to write."""
    document = msgspec.to_builtins(manifest)
    if not manifest.variants:
        del document["variants"]
    encoded = msgspec.json.encode(document)
    return msgspec.json.format(encoded, indent=2) + b"\n"


class _SchemaOnly(msgspec.Struct):
    schema: int


def _contradictions(manifest: Manifest) -> list[str]:
    """What is wrong between fields that are each right."""
    mistakes = []
    named = [
        *manifest.models.values(),
        *(variant.file for variant in manifest.variants),
        manifest.labels,
        manifest.golden,
    ]
    mistakes += [
        f"names the file {name!r} but does not list it under files"
        for name in named
        if name is not None and name not in manifest.files
    ]
    for name in manifest.files:
        parts = name.split("/")
        if not name or name.startswith("/") or "\\" in name or "\0" in name or "" in parts:
            mistakes.append(f"the file name {name!r} is not a plain relative path")
        elif ".." in parts or "." in parts:
            mistakes.append(f"the file {name!r} leaves the bundle's folder")
        elif name in ("manifest.json", "report.html"):
            mistakes.append(f"{name} may not list itself or the report under files")
    mistakes += _unusable(manifest.input, "input")
    if manifest.task == "anomaly" and manifest.thresholds is None:
        mistakes.append("an anomaly bundle needs thresholds")
    kinds = _KINDS[manifest.task]
    if manifest.output.kind not in kinds:
        mistakes.append(f"task {manifest.task} cannot have the output kind {manifest.output.kind}")
    seen: set[tuple[str, EngineName]] = set()
    for variant in manifest.variants:
        where = f"the variant {variant.name} for {variant.engine}"
        if (variant.name, variant.engine) in seen:
            mistakes.append(f"{where} is there twice")
        seen.add((variant.name, variant.engine))
        if variant.output is not None and variant.output.kind not in kinds:
            mistakes.append(f"{where} cannot have the output kind {variant.output.kind}")
        if variant.input is not None:
            mistakes += _unusable(variant.input, f"{where}: input")
            if _sample(variant.input) != _sample(manifest.input):
                mistakes.append(f"{where} is made of other samples than the bundle's input")
    return mistakes


_KINDS: dict[Task, tuple[OutputKind, ...]] = {
    "classification": ("scores", "logits"),
    "anomaly": ("score", "reconstruction"),
    "raw": ("raw",),
}


def _unusable(spec: InputSpec, where: str) -> list[str]:
    """What is wrong with how samples become a tensor."""
    mistakes = []
    if spec.picture is not None and spec.window is not None:
        mistakes.append(f"{where} has both a picture and a window rule")
    if spec.picture is not None and spec.picture.tensor_shape() != spec.shape:
        given = list(spec.picture.tensor_shape())
        mistakes.append(f"the picture rule gives {given}, {where} takes {list(spec.shape)}")
    if spec.window is not None:
        values = spec.window.length * len(spec.window.columns)
        if values != _product(spec.shape):
            mistakes.append(f"a window holds {values} readings, {where} takes {list(spec.shape)}")
    return mistakes


def _sample(spec: InputSpec) -> object:
    """What a source has to give, whatever tensor becomes of it."""
    if spec.picture is None:
        return spec.window or _product(spec.shape)
    rule = spec.picture
    return (rule.height, rule.width, rule.fit, rule.resize_shorter, rule.pad)


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for dimension in shape:
        product *= dimension
    return product
