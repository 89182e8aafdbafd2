"""Boards verify signatures without `cryptography`, and start without python-tuf."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.test_wall import BEYOND, modules_after
from tests.update.fleet import MemoryRepository


def test_a_board_without_cryptography_verifies_and_refuses(
    repository: MemoryRepository, tmp_path: Path
) -> None:
    for path, data in repository.files.items():
        place = tmp_path / "repository" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (tmp_path / "root.json").write_bytes(repository.root)
    code = (
        "import sys; from pathlib import Path; sys.modules['cryptography'] = None\n"
        "from tests.update.without_cryptography import main\n"
        "print(main(Path(sys.argv[1]), 13))\n"
        "assert not any(name.startswith('cryptography.') for name in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_updates_import_no_workstation_library_and_python_tuf_only_when_they_run() -> None:
    loaded = modules_after("import edgekit.update, edgekit.update.updates")
    assert not loaded & {*BEYOND, "tuf", "urllib3", "securesystemslib", "cryptography"}
    assert "edgekit.update.canary" in loaded
    fetching = modules_after("import edgekit.update.fetcher, edgekit.update.repository")
    assert not fetching & set(BEYOND)
