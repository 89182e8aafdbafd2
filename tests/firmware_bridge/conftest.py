"""The example firmware, built once for all tests of it."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from tests.broker import need_program
from tools.firmware.building import PACKAGES, Built, build
from tools.firmware.emulator import Emulator
from tools.firmware.model import export_model, make_bundle

_MACHINES = os.environ.get("EDGEKIT_MACHINES", "mps2-an386").split()
"""`make firmware` says both."""


@dataclass(frozen=True)
class Example:
    """The firmware for one machine, with the bundle that its model is from."""

    machine: str
    bundle: Bundle
    firmware: Built
    counting: Built


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """A bundle of the example's recipe, and the folder of its C."""
    for program, package in PACKAGES.items():
        need_program(program, package)
    folder = tmp_path_factory.mktemp("firmware")
    bundle = make_bundle(folder)
    return bundle, export_model(bundle, folder / "model")


@pytest.fixture(scope="session", params=_MACHINES)
def example(
    request: pytest.FixtureRequest,
    exported: tuple[Bundle, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Example:
    """The firmware, and the program that counts what it costs."""
    bundle, model = exported
    out = tmp_path_factory.mktemp(request.param)
    firmware = build(request.param, model=model, out=out)
    counting = build(request.param, model=model, out=out, program="counting")
    return Example(request.param, bundle, firmware, counting)


@pytest.fixture
def emulator(example: Example) -> Iterator[Emulator]:
    """The firmware, running in QEMU."""
    with (
        tempfile.TemporaryDirectory(prefix="edgekit-") as folder,  # sockets want short paths
        Emulator(example.machine, example.firmware.elf, Path(folder)) as running,
    ):
        yield running
