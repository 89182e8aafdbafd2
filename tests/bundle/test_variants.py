"""Variants in a bundle: described, vouched for, and invisible to an edgekit that knows none."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgekit.bundle import MAIN, Bundle, Manifest, Variant, decode_manifest, encode_manifest
from edgekit.bundle import open_bundle as opened
from edgekit.bundle.writing import write_bundle
from edgekit.errors import BundleError
from tests.samples import picture_bundle


def with_variants(
    tmp_path: Path, *variants: Variant, more: dict[str, bytes] | None = None
) -> Bundle:
    plain = picture_bundle(tmp_path / "plain")
    files = {name: (plain.path / name).read_bytes() for name in plain.manifest.files}
    files["model.fp16.onnx"] = b"half"
    manifest = msgspec.structs.replace(plain.manifest, variants=variants)
    return write_bundle(tmp_path / "b", manifest, files=files)


HALF = Variant(name="fp16", engine="onnxruntime", file="model.fp16.onnx")


def test_variants_come_after_the_models_and_share_their_description(tmp_path: Path) -> None:
    bundle = with_variants(tmp_path, HALF)
    main, half = opened(bundle.path).artifacts()
    assert (main.label, half.label) == ("onnxruntime", "fp16/onnxruntime")
    assert (main.golden_outputs, half.golden_outputs) == ("onnxruntime", "fp16.onnxruntime")
    assert half.path.read_bytes() == b"half"
    assert (half.input, half.output) == (main.input, main.output)
    assert bundle.artifact().variant == MAIN
    assert bundle.artifact("onnxruntime", "fp16") == half


def test_a_variant_may_take_and_give_other_numbers(tmp_path: Path) -> None:
    plain = picture_bundle(tmp_path / "other").manifest
    spec = msgspec.structs.replace(plain.input, dtype="float32")
    output = msgspec.structs.replace(plain.output, kind="logits")
    bundle = with_variants(tmp_path, msgspec.structs.replace(HALF, input=spec, output=output))
    half = opened(bundle.path).artifact("onnxruntime", "fp16")
    assert (half.input.dtype, half.output.kind) == ("float32", "logits")


@pytest.mark.parametrize(("engine", "variant"), [("litert", MAIN), ("litert", "fp16"), (None, "x")])
def test_what_is_not_there_is_named_with_what_is(tmp_path: Path, engine: Any, variant: str) -> None:
    bundle = with_variants(tmp_path, HALF)
    with pytest.raises(BundleError, match="it has onnxruntime, fp16/onnxruntime"):
        bundle.artifact(engine, variant)


def test_a_bundle_without_variants_is_written_as_before(tmp_path: Path) -> None:
    manifest = picture_bundle(tmp_path / "b").manifest
    assert "variants" not in json.loads(encode_manifest(manifest))
    assert decode_manifest(encode_manifest(manifest), where="m") == manifest


def changed(tmp_path: Path, **changes: Any) -> Manifest:
    document = json.loads((with_variants(tmp_path, HALF).path / "manifest.json").read_bytes())
    document["variants"] = [document["variants"][0] | changes]
    return decode_manifest(json.dumps(document).encode(), where="m")


def described(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    spec = picture_bundle(tmp_path / "spec").manifest.input
    document: dict[str, Any] = msgspec.to_builtins(spec)
    return document | changes


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "main"}, "name"),
        ({"name": "a.b"}, "name"),
        ({"engine": "tensorrt"}, "engine"),
        ({"file": "gone.onnx"}, "does not list it"),
        ({"output": {"name": "y", "kind": "score"}}, "cannot have the output kind"),
        ({"speed": 2}, "speed"),
    ],
)
def test_a_wrong_variant_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BundleError, match=says):
        changed(tmp_path, **changes)


def test_a_variant_of_other_pictures_is_refused(tmp_path: Path) -> None:
    rule = described(tmp_path)["picture"] | {"fit": "stretch"}
    with pytest.raises(BundleError, match="other samples"):
        changed(tmp_path, input=described(tmp_path / "again", picture=rule))
    with pytest.raises(BundleError, match="picture rule gives"):
        changed(tmp_path / "c", input=described(tmp_path / "third", shape=[1, 3, 16, 16]))


def test_the_same_variant_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there twice"):
        with_variants(tmp_path, HALF, HALF)


def test_a_changed_variant_is_noticed(tmp_path: Path) -> None:
    bundle = with_variants(tmp_path, HALF)
    copied = Path(shutil.copytree(bundle.path, tmp_path / "c"))
    (copied / "model.fp16.onnx").write_bytes(b"hale")
    with pytest.raises(BundleError, match="SHA-256"):
        opened(copied)
