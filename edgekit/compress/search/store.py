"""Keeps every candidate of a search on disk, so that a search that was stopped goes on."""

import hashlib
import shutil
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import onnx_ir as ir

from edgekit.compress.form import open_form
from edgekit.compress.measure import Comparison
from edgekit.compress.recipe import Gates, Recipe
from edgekit.compress.recipe_file import recipe_toml
from edgekit.compress.running import StepDone, serialized
from edgekit.compress.workbench import Made, Workbench
from edgekit.errors import InputError

_MODEL = "steps.onnx"
_RESULT = "result.json"
_RECIPE = "recipe.toml"


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a candidate; or why its steps cannot be done."""

    steps: list[StepDone] = []
    comparison: Comparison | None = None
    failed: str | None = None


class Store:
    """A folder with a folder for each candidate: its recipe, its figures and its files.

    A candidate is known by its recipe and by everything its figures depend on, so a folder may
    hold candidates of several models, and none is ever taken for another's. Folders are written
    beside their place and renamed: one that is there is whole.
    """

    def __init__(self, folder: Path, *, context: str) -> None:
        """A store in `folder`, which is made when the first candidate is kept."""
        self.folder = folder
        self._context = context

    def place(self, recipe: Recipe) -> Path:
        """Where a candidate's folder is, or would be."""
        ungated = msgspec.structs.replace(recipe, gates=Gates())  # goals change, figures don't
        key = hashlib.sha256(f"{self._context}\n{recipe_toml(ungated)}".encode()).hexdigest()
        return self.folder / key[:16]

    def load(self, recipe: Recipe, bench: Workbench) -> Made | str | None:
        """The candidate, why it cannot be made, or `None` for one that was not tried."""
        place = self.place(recipe)
        try:
            result = msgspec.json.decode((place / _RESULT).read_bytes(), type=_Result)
        except (OSError, msgspec.MsgspecError):
            return None
        if result.failed is not None or result.comparison is None:
            return result.failed
        forms = tuple(
            open_form(format_, (place / f"model.{format_}").read_bytes(), bench.trained)
            for format_ in recipe.formats
        )
        model = ir.load(place / _MODEL)
        return Made(recipe, model, forms, result.steps, result.comparison)

    def keep(self, recipe: Recipe, made: Made | str) -> None:
        """Writes a candidate, or why it cannot be made."""
        if isinstance(made, str):
            self._write(recipe, _Result(failed=made), {})
            return
        files = {f"model.{form.file.rpartition('.')[2]}": form.data for form in made.forms}
        files[_MODEL] = serialized(made.model)
        self._write(recipe, _Result(steps=made.steps, comparison=made.comparison), files)

    def choose(self, recipe: Recipe) -> Path:
        """Writes the recipe that was chosen, for reuse, and says where."""
        path = self.folder / _RECIPE
        draft = path.with_suffix(".part")
        draft.write_text(recipe_toml(recipe), encoding="utf-8")
        return draft.replace(path)

    def _write(self, recipe: Recipe, result: _Result, files: dict[str, bytes]) -> None:
        place = self.place(recipe)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = Path(mkdtemp(prefix=".draft.", dir=self.folder))
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written: {error.strerror}") from error
        try:
            for name, data in files.items():
                (draft / name).write_bytes(data)
            (draft / _RECIPE).write_text(recipe_toml(recipe), encoding="utf-8")
            encoded = msgspec.json.format(msgspec.json.encode(result), indent=2)
            (draft / _RESULT).write_bytes(encoded)
            shutil.rmtree(place, ignore_errors=True)
            draft.chmod(0o755)
            draft.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
