"""Settings of a daemon that learns digits."""

from pathlib import Path

import numpy as np

from tests.broker import BOARD, PASSWORD
from tools.federated_digits import append, csv_of, digits_bundle, fill
from tools.private_broker import PrivateBroker

__all__ = ["POLICY", "append", "digits_bundle", "fill", "settings_of"]

POLICY = (
    "[federated.digits.policy]\nmax_busy = 1.0\nmin_samples = 8\nmains = false\n"
    "max_temperature_c = 150.0\nmax_waiting = 100000\n"
)


def settings_of(
    folder: Path,
    bundle: Path,
    broker: PrivateBroker,
    *,
    name: str = "board",
    more: str = "",
    federated: str = "",
    policy: str = POLICY,
    port: int | None = None,
) -> Path:
    """Writes the settings of a board of the fleet `test`, which follows rows.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "password").write_text(PASSWORD + "\n")
    if not (folder / "rows.csv").exists():
        (folder / "rows.csv").write_text(csv_of(np.zeros((0, 64))))
    path = folder / "edgekit.toml"
    path.write_text(
        f'state = "state"\n[device]\nfleet = "test"\nname = "{name}"\n'
        f'[mqtt]\nhost = "localhost"\nport = {port or broker.port}\nca = "{broker.ca}"\n'
        f'username = "{BOARD}"\npassword_file = "password"\n'
        f'[pipelines.reader]\nbundle = "{bundle}"\n'
        'source = { kind = "csv", path = "rows.csv", follow = true }\n'
        'sinks = [{ kind = "mqtt" }]\n'
        f'[federated.digits]\npipeline = "reader"\n{federated}\n{policy}{more}'
    )
    return path
