"""`python -m tools.bench.verifying`: signatures verified with and without `cryptography`.

Each process does one of the two; they take turns. Ratios are of pure Python over cryptography.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_ROUNDS, _TIMES = 7, 20


def child(kind: str, root: Path) -> None:
    """Imports what a refresh needs, verifies, and prints what that took."""
    if kind == "pure":
        sys.modules["cryptography"] = None  # type: ignore[assignment]  # as if it were not there
    import ssl  # noqa: F401  # a daemon has these anyway

    import edgekit.update

    before_kb, began = _resident_kb(), time.perf_counter()

    import edgekit.update.fetcher  # noqa: F401

    imported_s = time.perf_counter() - began
    from tuf.api.metadata import Metadata
    from tuf.api.metadata import Root as SignedRoot  # type: ignore[attr-defined]

    document = Metadata[SignedRoot].from_bytes(root.read_bytes())
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        document.signed.verify_delegate("root", document.signed_bytes, document.signatures)
        times.append(time.perf_counter() - began)
    verify_s = statistics.median(times)
    print(json.dumps([imported_s, verify_s, _resident_kb() - before_kb]))


def main() -> None:
    """Lets the two take turns, and prints medians."""
    from edgekit.deploy.keys import KeyRing, make_keys
    from edgekit.deploy.repository import Repository

    with tempfile.TemporaryDirectory() as name:
        make_keys(Path(name, "keys"), {}, passphrases=lambda role: b"only to measure")
        ring = KeyRing([Path(name, "keys")], lambda role: b"only to measure")
        root = Repository(Path(name, "repository")).create(ring)
        rows: dict[str, list[list[float]]] = {"pure": [], "cryptography": []}
        for _ in range(_ROUNDS):
            for kind, found in rows.items():
                command = [sys.executable, "-m", "tools.bench.verifying", kind, str(root)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found.append(json.loads(done.stdout))
    for number, what in enumerate(("import", "verify", "memory")):
        ratios = [
            pure[number] / other[number]
            for pure, other in zip(rows["pure"], rows["cryptography"], strict=True)
        ]
        line = f"{what}: {statistics.median(ratios):.2f} times cryptography's"
        if what == "memory":
            kb = [statistics.median(row[2] for row in found) for found in rows.values()]
            line += f" ({kb[0] / 1024:.1f} MB beside {kb[1] / 1024:.1f} MB)"
        print(line)


def _resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
