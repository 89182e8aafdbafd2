from pathlib import Path

import pytest

from tests.learning.steps import saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path)
