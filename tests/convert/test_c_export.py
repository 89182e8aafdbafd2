"""What the C export writes, refuses and leaves alone."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgekit.bundle import Bundle, write_bundle
from edgekit.convert.c import export_c
from edgekit.convert.c.export import _names
from edgekit.errors import BundleError, InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.convert.c_harness import (
    STRICT,
    compressed,
    conv_autoencoder,
    conv_classifier,
    readings,
)
from tests.convert.graphs import QuantizedBuilder, normal
from tests.samples import save, window_bundle

HOSTILE = ("*/ int main(void){return 7;} /*", '"; system("x"); "', "a\\\nb", "??/", "é\x00\x1f∞")
COMPILERS = {
    "gcc": ("gcc",),
    "clang": ("clang",),
    "Cortex-M0": ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"),
    "Cortex-M4": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"),
    "AVR": ("avr-gcc", "-mmcu=atmega2560"),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("export") / "bundle"
    return compressed(
        conv_autoencoder(), readings((48, 3), 40), out, task="anomaly", kind="score",
        columns=HOSTILE[:3], name="int8.3d-net",
    )  # fmt: skip


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("export") / "classifier"
    return compressed(
        conv_classifier(), readings((40, 3), 40), out, task="classification", kind="scores",
        labels=tuple(text.replace("\n", " ") for text in HOSTILE),
    )  # fmt: skip


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("which", ["bundle", "classifier"])
def test_the_files_compile_without_a_warning(
    which: str, compiler: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    program = COMPILERS[compiler]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    name = export_c(request.getfixturevalue(which).path, out=tmp_path).name
    for end in (".c", "_tflite.c"):
        command = [*program, *STRICT, "-Wshadow", "-O2", "-c", f"{name}{end}", "-o", "x.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_hostile_columns_and_labels_stay_text(classifier: Bundle, tmp_path: Path) -> None:
    name = export_c(classifier.path, out=tmp_path).name
    shown = tmp_path / "show.c"
    shown.write_text(
        f'#include <stdio.h>\n#include "{name}.h"\n'
        "int main(void) { int i; for (i = 0; i < 5; ++i) { fputs("
        f"{name}_labels[i], stdout); putchar(10); }} return 0; }}\n"
    )
    command = ["gcc", *STRICT, "-trigraphs", "show.c", f"{name}.c", "-o", "show"]
    subprocess.run(command, cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "show"], capture_output=True, check=True).stdout
    wanted = [label.split("\0")[0].encode() for label in classifier.labels()]
    assert said.split(b"\n")[:5] == wanted


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    first = export_c(bundle.path, out=tmp_path / "a")
    second = export_c(bundle.path, out=tmp_path / "b")
    assert first.files == second.files
    for name in first.files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_tflite_is_there_as_an_aligned_array(bundle: Bundle, tmp_path: Path) -> None:
    name = export_c(bundle.path, out=tmp_path).name
    (tmp_path / "copy.c").write_text(
        f'#include <stdint.h>\n#include <stdio.h>\n#include "{name}_tflite.h"\n'
        f"int main(void) {{ fwrite({name}_tflite, 1, sizeof {name}_tflite, stdout); "
        f"return (int)((uintptr_t){name}_tflite % 16u); }}\n"
    )
    command = ["gcc", *STRICT, "copy.c", f"{name}_tflite.c", "-o", "copy"]
    subprocess.run(command, cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "copy"], capture_output=True, check=True)
    assert said.stdout == bundle.model_path("litert").read_bytes()


def test_nothing_is_written_on_the_heap_or_kept_between_calls(
    bundle: Bundle, tmp_path: Path
) -> None:
    name = export_c(bundle.path, out=tmp_path).name
    subprocess.run(["gcc", "-std=c99", "-O2", "-c", f"{name}.c"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["nm", f"{name}.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    kinds = {line.split()[-2] for line in listed.splitlines()}
    assert kinds <= {"T", "t", "r", "R", "U"}  # no data, no bss
    needed = set(re.findall(r" U (\w+)", listed)) - {"__stack_chk_fail"}
    assert needed <= {"memcpy", "_GLOBAL_OFFSET_TABLE_"}
    divisions = ("__divdi3", "__udivdi3", "__aeabi_ldivmod", "__aeabi_uldivmod")
    if shutil.which("arm-none-eabi-gcc"):
        command = ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-O2", "-c", f"{name}.c"]
        subprocess.run(command, cwd=tmp_path, check=True)
        listed = subprocess.run(
            ["arm-none-eabi-nm", f"{name}.o"], cwd=tmp_path, capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip
        assert not [name for name in divisions if name in listed]


def test_the_name_is_the_bundle_s_as_c_takes_it(bundle: Bundle, tmp_path: Path) -> None:
    assert export_c(bundle.path, out=tmp_path).name == "int8_3d_net"
    assert export_c(bundle.path, out=tmp_path, name="pump").name == "pump"
    text = (tmp_path / "pump.h").read_text()
    assert '#define PUMP_MODEL "int8.3d-net"' in text
    assert f'#define PUMP_HASH "{bundle.short_hash}"' in text


@pytest.mark.parametrize("name", ["", "3d", "a-b", "Up", "a" * 40, "x;y", "x\n"])
def test_a_name_that_c_does_not_take_is_refused(name: str, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no name for C"):
        export_c(bundle.path, out=tmp_path / "c", name=name)
    assert not (tmp_path / "c").exists()


def test_files_that_are_there_stay_unless_forced(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "net.h").write_text("mine")
    (tmp_path / "other.c").write_text("also mine")
    with pytest.raises(InputError, match="--force"):
        export_c(bundle.path, out=tmp_path, name="net")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.h", "other.c"]
    export_c(bundle.path, out=tmp_path, name="net", replace=True)
    assert "NET_H" in (tmp_path / "net.h").read_text()
    assert (tmp_path / "other.c").read_text() == "also mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*_names("net"), "other.c"])


def test_a_place_that_cannot_be_written_is_left_as_it_was(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        export_c(bundle.path, out=tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        export_c(bundle.path, out=tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_model_in_float_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="no int8|in float") as caught:
        export_c(window_bundle(tmp_path / "b").path, out=tmp_path / "c")
    assert str(caught.value).count("\n") == 0
    assert not (tmp_path / "c").exists()


def test_a_changed_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copied = tmp_path / "b"
    shutil.copytree(bundle.path, copied)
    path = copied / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"model\.tflite"):
        export_c(copied, out=tmp_path / "c")


def test_an_operator_that_c_has_not_is_named(bundle: Bundle, tmp_path: Path) -> None:
    build = QuantizedBuilder("transposed")
    x = build.quantized(build.input("window", np.float32, (1, 4, 5, 4)), 0.05, 128)
    value = build.linear("ConvTranspose", x, normal((4, 3, 2, 2)), x_scale=0.05, axis=1,
                         strides=[2, 2])  # fmt: skip
    model = build.finish(score=(build.quantized(value, 0.1, 128), np.float32, (1, 3, 10, 8)))
    with pytest.raises(UnsupportedModel, match="TRANSPOSE_CONV on int8 has no form in C"):
        export_c(repacked(bundle, model, tmp_path).path, out=tmp_path / "c")


def test_a_layer_in_float_between_two_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    build = QuantizedBuilder("island")
    x = build.quantized(build.input("window", np.float32, (1, 4, 6, 6)), 0.05, 128)
    value = build.quantized(build.linear("Conv", x, normal((4, 4, 1, 1)), x_scale=0.05), 0.1, 128)
    value = build.quantized(build.op("Conv", value, normal((4, 4, 3, 3))), 0.2, 128)
    value = build.linear("Conv", value, normal((4, 4, 1, 1)), x_scale=0.2)
    model = build.finish(score=(build.quantized(value, 0.3, 128), np.float32, (1, 4, 4, 4)))
    with pytest.raises(UnsupportedModel, match="quantize step take every layer"):
        export_c(repacked(bundle, model, tmp_path).path, out=tmp_path / "c")


def repacked(bundle: Bundle, model: object, folder: Path) -> Bundle:
    """The bundle with another model in it, as ONNX."""
    path = save(model, folder / "m.onnx")  # type: ignore[arg-type]
    files = {
        "model.onnx": path.read_bytes(),
        "golden.npz": (bundle.path / "golden.npz").read_bytes(),
    }
    manifest = msgspec.structs.replace(
        bundle.manifest, models={"onnxruntime": "model.onnx"}, files={}, labels=None
    )
    return write_bundle(folder / "repacked", manifest, files=files)


def test_what_a_builder_gives_without_quantisation_is_refused(
    bundle: Bundle, tmp_path: Path
) -> None:
    build = GraphBuilder("float")
    x = build.input("window", np.float32, (1, 8))
    value = build.op("Gemm", x, normal((8, 4)), normal((4,)))
    model = build.finish(score=(build.op("Relu", value), np.float32, (1, 4)))
    with pytest.raises(UnsupportedModel, match=r"quantize|quantise"):
        export_c(repacked(bundle, model, tmp_path).path, out=tmp_path / "c")
