"""Fixtures that many tests share: the real data, and a private broker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broker import need_broker, new_broker
from tools.private_broker import PrivateBroker

settings.register_profile("edgekit", deadline=None)  # a busy machine is no mistake
settings.load_profile("edgekit")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real models and data; a test that asks for it also wears the `data` mark."""
    given = os.environ.get("EDGEKIT_DATA")
    folder = Path(given) if given else _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there; set EDGEKIT_DATA to its folder")
    return folder


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    """A fresh mosquitto on a free loopback port, with TLS and passwords on."""
    need_broker()
    with new_broker() as running:
        yield running
