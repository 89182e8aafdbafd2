import pytest

from tools.flower_app.prepare import Prepared, prepare_digits


@pytest.fixture(scope="session")
def fleet_of_digits(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Four boards, their step and their samples."""
    return prepare_digits(tmp_path_factory.mktemp("flower"), 4)
