"""Makes the model that the example firmware runs: its rows, the bundle, and the bundle's C."""

import shutil
from pathlib import Path

from edgekit.bundle import Bundle
from tools.firmware.building import EXAMPLE
from tools.firmware.vibration import COLUMNS, Vibration

ROWS = 20_000
_LATER = 1_234_567
"""Another stretch of the noise than the firmware begins with."""


def make_bundle(folder: Path) -> Bundle:
    """Trains and quantises the model by the example's recipe, into `folder/bundle`."""
    from edgekit.compress import compress_trained, load_recipe
    from edgekit.compress.progress import Silent
    from edgekit.zoo.building import build_model

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.toml", "training.toml"):
        shutil.copyfile(EXAMPLE / name, folder / name)
    rows = Vibration(noise=_LATER).rows(ROWS)
    lines = [",".join(COLUMNS), *(",".join(f"{one:.7f}" for one in row) for row in rows)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    recipe = load_recipe(folder / "recipe.toml")
    built = build_model(recipe, None, progress=Silent(), where=str(folder / "recipe.toml"))
    made = compress_trained(
        built.trained, built.samples, recipe, out=folder / "bundle", replace=True
    )
    return made.bundle


def export_model(bundle: Bundle, out: Path) -> Path:
    """The bundle's C under the name that the firmware includes; gives the folder."""
    from edgekit.convert.c import export_c

    export_c(bundle.path, out=out, name="model", replace=True)
    return out
