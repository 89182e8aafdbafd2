"""The bundle: the folder that `edgekit compress` makes and a board runs."""

from edgekit.bundle.artifact import MAIN, Artifact
from edgekit.bundle.manifest import (
    SCHEMA,
    FileEntry,
    GoldenRule,
    InputSpec,
    Manifest,
    Measured,
    Measurements,
    OutputSpec,
    Provenance,
    Quantization,
    Requirements,
    Thresholds,
    Variant,
    WindowRule,
    decode_manifest,
    encode_manifest,
)
from edgekit.bundle.picture import PictureRule
from edgekit.bundle.reading import Bundle, open_bundle
from edgekit.bundle.writing import archive_bytes, check_free, travels_bytes, write_bundle

__all__ = [
    "MAIN",
    "SCHEMA",
    "Artifact",
    "Bundle",
    "FileEntry",
    "GoldenRule",
    "InputSpec",
    "Manifest",
    "Measured",
    "Measurements",
    "OutputSpec",
    "PictureRule",
    "Provenance",
    "Quantization",
    "Requirements",
    "Thresholds",
    "Variant",
    "WindowRule",
    "archive_bytes",
    "check_free",
    "decode_manifest",
    "encode_manifest",
    "open_bundle",
    "travels_bytes",
    "write_bundle",
]
