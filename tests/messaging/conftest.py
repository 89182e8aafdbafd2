"""Fixtures of the tests of messaging."""

from collections.abc import Iterator

import pytest

from tests.messaging.linking import Said, hearing


@pytest.fixture
def said() -> Iterator[Said]:
    """What the link logs."""
    with hearing("edgekit.messaging.link") as heard:
        yield heard
