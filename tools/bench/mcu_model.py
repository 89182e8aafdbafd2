"""`python -m tools.bench.mcu_model`: what models cost on a microcontroller, in instructions.

Each is exported as C, compiled, checked against its golden vectors in QEMU, and counted there: an
instruction takes a nanosecond of the machine's time, and a tick of its timer 40. QEMU knows no
pipeline, so no time is measured; MACs a second are for a stated clock and an instruction a cycle.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, Thresholds
from edgekit.compress import Recipe, TrainedModel, compress_trained, pack_model
from edgekit.compress.data import Samples
from edgekit.compress.progress import Silent
from edgekit.compress.steps import Quantize
from edgekit.convert.c import Exported, export_c
from edgekit.graph.load import canonical
from edgekit.zoo.building import build_model
from edgekit.zoo.mlperf_tiny import (
    build_dense_autoencoder,
    build_ds_cnn,
    dense_autoencoder_samples,
    ds_cnn_samples,
)

_HERE = Path(__file__).resolve().parent
_MODELS = _HERE.parent.parent / "models"
_TICK_NS = 40
_CLOCK_HZ = 25_000_000


@dataclass(frozen=True)
class Target:
    """A processor, and the emulated machine that runs its code."""

    name: str
    machine: str
    flags: tuple[str, ...]


TARGETS = (
    Target("Cortex-M0", "mps2-an385", ("-mcpu=cortex-m0",)),
    Target("Cortex-M3", "mps2-an385", ("-mcpu=cortex-m3",)),
    Target("Cortex-M4F", "mps2-an386",
           ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")),
)  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """What one model costs on one processor, in bytes and instructions."""

    code_bytes: int
    constant_bytes: int
    arena_bytes: int
    network: int
    prepare: int


def count(exported: Exported, target: Target, optimization: str) -> Counted:
    """Compiles an exported model called `model`, and counts its instructions."""
    folder = exported.folder
    common = [*target.flags, "-mthumb", "-std=c99", optimization, "-ffunction-sections",
              "-fdata-sections", "-ffp-contract=off", "-I", str(folder)]  # fmt: skip
    elf = folder / f"{target.name}{optimization}.elf"
    linked = ["-nostartfiles", "--specs=nano.specs", "-T", str(_HERE / "mcu_model.ld"),
              "-Wl,--gc-sections"]  # fmt: skip
    sources = [str(_HERE / "mcu_model.c"), str(folder / "model.c")]
    subprocess.run(["arm-none-eabi-gcc", *common, *sources, *linked, "-o", elf], check=True)
    alone = folder / "model.o"
    subprocess.run(["arm-none-eabi-gcc", *common, "-c", sources[1], "-o", alone], check=True)
    sized = subprocess.run(
        ["arm-none-eabi-size", alone], capture_output=True, text=True, check=True
    )
    flash = int(sized.stdout.splitlines()[1].split()[0])
    command = ["qemu-system-arm", "-M", target.machine, "-kernel", str(elf), "-display", "none",
               "-monitor", "none", "-serial", "none", "-icount", "shift=0",
               "-semihosting-config", "enable=on,target=native"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"{exported.folder.name} on {target.name}: golden vectors are not met")
    ticks, prepare, arena = map(int, (done.stdout + done.stderr).split())
    return Counted(
        flash - exported.constant_bytes,
        exported.constant_bytes,
        arena,
        ticks * _TICK_NS,
        prepare * _TICK_NS,
    )


def models(folder: Path, data: Path | None) -> Iterator[tuple[str, Path]]:
    """The bundles that are counted, by what to call them."""
    for name, what in (("window_autoencoder", "autoencoder 64-32-8-32-64"),
                       ("digits", "digits 64-64-10")):  # fmt: skip
        recipe = Recipe(
            name=name, steps=(Quantize(),), formats=("tflite",),
            build={"training": str(_MODELS / name / "training.toml")},
        )  # fmt: skip
        built = build_model(recipe, None, progress=Silent(), where=str(folder / "recipe.toml"))
        compress_trained(built.trained, built.samples, recipe, out=folder / name)
        yield what, folder / name
    samples = dense_autoencoder_samples(training=500, test=0).training[:60]
    yield (
        "MLPerf Tiny autoencoder 640-128-8-128-640",
        _compressed("ad", lambda: build_dense_autoencoder(training=500), samples, folder),
    )
    samples = ds_cnn_samples(training=500, test=0).training[:60]
    yield (
        "DS-CNN of MLPerf Tiny, 49 x 10",
        _compressed("kws", lambda: build_ds_cnn(training=500), samples, folder),
    )
    if data is not None:
        source = data / "mlperf_tiny" / "models"
        ad01 = source / "ad01_int8.tflite"
        pack_model(ad01, task="anomaly", threshold=10, out=folder / "ad01")
        yield "MLPerf Tiny's own ad01 (published INT8)", folder / "ad01"


def _compressed(name: str, build: Callable[[], ir.Model], samples: Array, folder: Path) -> Path:
    model = canonical(ir.to_proto(build()), where=name)
    is_anomaly = name == "ad"
    trained = TrainedModel(
        name=name,
        model=model,
        task="anomaly" if is_anomaly else "classification",
        input=InputSpec(name="data", dtype="float32", shape=(1, *samples.shape[1:])),
        output=OutputSpec(name="reconstruction", kind="reconstruction")
        if is_anomaly
        else OutputSpec(name="scores", kind="scores"),
        thresholds=Thresholds(anomaly=1.0) if is_anomaly else None,
    )
    listed = Samples(tuple(map(str, range(len(samples)))), None, list(samples))
    compress_trained(trained, listed, Recipe(formats=("tflite",)), out=folder / name)
    return folder / name


def main() -> None:
    """Counts every model on every processor, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.mcu_model", description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of real models and data")
    parser.add_argument("-O", dest="level", default="2", choices=("s", "2", "3"))
    said = parser.parse_args()
    head = ["model", "MACs", "processor", "code", "constants", "arena", "instructions",
            "a MAC", f"MACs/s at {_CLOCK_HZ // 10**6} MHz"]  # fmt: skip
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    with tempfile.TemporaryDirectory(prefix="edgekit-") as name:
        for what, bundle in models(Path(name), said.data):
            exported = export_c(bundle, out=Path(name) / f"c_{bundle.name}", name="model")
            for target in TARGETS:
                found = count(exported, target, f"-O{said.level}")
                each = found.network / exported.macs
                print(
                    f"| {what} | {exported.macs:,} | {target.name} | {found.code_bytes:,} | "
                    f"{found.constant_bytes:,} | {found.arena_bytes:,} | {found.network:,} "
                    f"+ {found.prepare:,} | {each:.2f} | {_CLOCK_HZ / each / 1e6:.1f} M |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
