"""`python -m tools.firmware`: the example firmware in QEMU, its port where settings can name it."""

import argparse
import sys
import tempfile
from pathlib import Path

from edgekit.errors import EdgekitError
from tools.firmware.building import MACHINES, PACKAGES, Built, build, size_table
from tools.firmware.emulator import Emulator, missing_programs
from tools.firmware.model import export_model, make_bundle


def main(arguments: list[str] | None = None) -> int:
    """Makes the model, builds, tells the sizes, and runs until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tools.firmware", description=__doc__)
    parser.add_argument("--machine", choices=tuple(MACHINES), default="mps2-an386")
    parser.add_argument("--out", type=Path, help="keep model and program here; by default nowhere")
    parser.add_argument("--build-only", action="store_true", help="do not run it")
    said = parser.parse_args(arguments)
    if missing := missing_programs(tuple(PACKAGES)):
        packages = " ".join(PACKAGES[program] for program in missing)
        print(f"missing: {', '.join(missing)}; tools/apt.sh {packages}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="edgekit-") as temporary:
        folder = Path(temporary)
        try:
            built = make(said.machine, said.out or folder)
            print(size_table(built))
            if not said.build_only:
                _run(built, folder)
        except EdgekitError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
    return 0


def make(machine: str, folder: Path) -> Built:
    """The firmware with a model of its own, below `folder`.

    Raises:
        BuildFailed: it does not compile.
    """
    model = export_model(make_bundle(folder), folder / "model")
    return build(machine, model=model, out=folder / machine)


def _run(built: Built, folder: Path) -> None:
    with Emulator(built.machine, built.elf, folder) as emulator:
        print(f"\n{built.machine} runs; its port is {emulator.port}\n"
              f"  edgekit bridge monitor {emulator.port}\nCtrl-C ends it.", flush=True)  # fmt: skip
        emulator.wait()


if __name__ == "__main__":
    sys.exit(main())
