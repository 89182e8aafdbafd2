"""The float forms of a model that a bundle can carry beside the integer one."""

from dataclasses import dataclass, replace

import onnx_ir as ir

from edgekit.bundle import Variant
from edgekit.compress.form import Form, make_form
from edgekit.compress.measure import Against
from edgekit.compress.recipe import Recipe
from edgekit.compress.steps import Precision, Quantize
from edgekit.compress.trained import TrainedModel
from edgekit.errors import ConfigError


@dataclass(frozen=True)
class VariantDraft:
    """A float form that was not measured yet."""

    name: Precision
    form: Form


@dataclass(frozen=True)
class MadeVariant:
    """A float form, and how it compares with the original."""

    name: Precision
    form: Form
    against: Against

    @property
    def label(self) -> str:
        """What it is called for people: as a board calls it."""
        return f"{self.name}/{self.form.engine.name}"

    @property
    def golden_name(self) -> str:
        """What its outputs are called in `golden.npz`."""
        return f"{self.name}.{self.form.engine.name}"

    def entry(self) -> Variant:
        """What the manifest says of it."""
        return Variant(
            name=self.name,
            engine=self.form.engine.name,
            file=self.form.file,
            measured=self.against.measured,
        )

    def __str__(self) -> str:
        measured, latency = self.against.measured, self.against.latency
        sizes = [f"{measured.size_bytes / 1000:,.1f} kB"]
        if measured.travels_bytes is not None:
            sizes.append(f"{measured.travels_bytes / 1000:,.1f} kB under xz")
        same = "" if measured.agreement is None else f", {measured.agreement:.1%} agreement"
        return (
            f"{', '.join(sizes)}{same}, {latency.median:.2f} ({latency.low:.2f}-"
            f"{latency.high:.2f}) of the original's time"
        )


def require_variants(recipe: Recipe, *, where: str) -> None:
    """Refuses variants that would be the model itself once more.

    Raises:
        ConfigError: says which.
    """
    is_quantized = any(isinstance(step, Quantize) for step in recipe.steps)
    if "fp32" in recipe.bundle.variants and not is_quantized:
        mistake = "bundle.variants: without a step 'quantize' the model is fp32 already"
        raise ConfigError(where, [mistake])


def draft_variants(floats: ir.Model, recipe: Recipe, trained: TrainedModel) -> list[VariantDraft]:
    """Every variant that a recipe wants, in each of its formats.

    `fp16` computes in float32 as `fp32` does: CPUs below ARMv8.2 have no arithmetic in 16 bits,
    and onnxruntime would put a Cast around every operator. It is half the size.

    Args:
        floats: the model after the recipe's steps but those that quantise.
        recipe: says which, and the formats.
        trained: says what it takes and gives.

    Raises:
        UnsupportedModel: a format cannot hold it.
    """
    drafts = []
    for name in recipe.bundle.variants:
        for format_ in recipe.formats:
            form = make_form(format_, floats, trained, half=name == "fp16")
            drafts.append(VariantDraft(name, replace(form, file=f"model.{name}.{format_}")))
    return drafts
