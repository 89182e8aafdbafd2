"""The optional libraries of the bridge, imported on first use."""

from functools import cache
from importlib import import_module
from types import ModuleType

from edgekit.errors import InputError

NEEDED = ("serial", "cobs.cobs", "cbor2")
"""What a serial line takes: pyserial, cobs and cbor2."""


@cache
def library(name: str) -> ModuleType:
    """One of `NEEDED`.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"microcontrollers need the library {name.partition('.')[0]}: "
            "pip install 'edgekit[serial]'"
        ) from error


def need_libraries() -> None:
    """Makes sure that all are there, before anything is opened.

    Raises:
        InputError: one is not installed.
    """
    for name in NEEDED:
        library(name)
