"""The manifest: what it takes, and what it refuses."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.bundle import Manifest, decode_manifest, encode_manifest
from edgekit.errors import BundleError
from tests.samples import window_manifest


def document() -> dict[str, Any]:
    manifest = window_manifest()
    manifest = msgspec.structs.replace(manifest, golden=None)
    files = {"model.onnx": {"sha256": "0" * 64, "size_bytes": 1}}
    return {**msgspec.to_builtins(manifest), "files": files}


def decoded(changes: dict[str, Any]) -> Manifest:
    return decode_manifest(json.dumps(document() | changes).encode(), where="m")


def test_what_is_written_is_read_again() -> None:
    manifest = decoded({})
    assert decode_manifest(encode_manifest(manifest), where="m") == manifest


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 2}, "schema version 2"),
        ({"nmae": "x"}, "nmae"),
        ({"version": "one"}, "version"),
        ({"files": {}}, "does not list it"),
        ({"labels": "gone.txt"}, "gone.txt"),
        ({"thresholds": None}, "needs thresholds"),
        ({"output": {"name": "score", "kind": "scores"}}, "cannot have the output kind"),
        ({"models": {}}, "models"),
        ({"files": {"../model.onnx": {"sha256": "0" * 64, "size_bytes": 1}}}, "does not list"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BundleError, match=says):
        decoded(changes)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../b", "a//b", "a\\b", ".", "manifest.json"]
)
def test_a_file_outside_the_folder_is_refused(name: str) -> None:
    files = document()["files"] | {name: {"sha256": "0" * 64, "size_bytes": 1}}
    with pytest.raises(BundleError, match="m: "):
        decoded({"files": files})


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_as_a_bundle_error(data: bytes) -> None:
    with pytest.raises(BundleError):
        decode_manifest(data, where="m")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(document())), _json)
def test_a_random_field_is_taken_or_refused_never_a_crash(field: str, value: Any) -> None:
    try:
        decoded({field: value})
    except BundleError as error:
        assert "\n" not in str(error)
