"""`edgekit quantize`, `edgekit slim`, ...: a command for each step of a recipe."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from edgekit.cli import show
from edgekit.cli.values import input_shape

_HELP = """{summary}

MODEL and --out are ONNX files with the same inputs and outputs. --data calibrates and measures: a
folder of pictures, or an .npy, .npz or .csv of arrays. Without a recipe's [input] it is found out
from labelled pictures how the model takes them."""


class StepCommand(click.Command):
    """Its options are the step's settings, read off the step when the command is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The common options, and the step's own."""
        from edgekit.cli.settings import options_of
        from edgekit.compress.steps import function_of, runnable_steps

        kind = runnable_steps()[str(self.name)]
        own = options_of(kind, function_of(kind))
        common = super().get_params(ctx)
        return [*common[:1], *own, *common[1:]]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the step's function says it does."""
        from edgekit.cli.settings import summary_of
        from edgekit.compress.steps import function_of, runnable_steps

        self.help = _HELP.format(summary=summary_of(function_of(runnable_steps()[str(self.name)])))
        super().format_help_text(ctx, formatter)


def step_command(name: str, short_help: str, *more: click.Parameter) -> click.Command:
    """The command that does one step to one file; `more` is what it takes besides settings."""
    path = click.Path(path_type=Path)
    params: list[click.Parameter] = [
        click.Argument(["model"], type=path),
        click.Option(["--data"], type=path, required=True, help="Pictures or arrays."),
        click.Option(["--out"], type=path, required=True, help="The ONNX file to write."),
        click.Option(["--recipe"], type=path, help="Its [input] and [calibrate] are heeded."),
        click.Option(
            ["--input-shape"], callback=input_shape, metavar="1,3,..", help="Fixes dynamic axes."
        ),
        *more,
        click.Option(["--force"], is_flag=True, help="Replace a file that is there."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document."),
    ]
    return StepCommand(name, callback=partial(_run, name), params=params, short_help=short_help)


def _run(
    name: str,
    model: Path,
    data: Path,
    out: Path,
    recipe: Path | None,
    input_shape: tuple[int, ...] | None,
    force: bool,
    as_json: bool,
    original: Path | None = None,
    **settings: Any,
) -> None:
    from edgekit.cli.settings import settings_from
    from edgekit.compress import apply_step, load_recipe
    from edgekit.compress.steps import runnable_steps

    found = apply_step(
        settings_from(runnable_steps()[name], settings),
        model,
        data=data,
        out=out,
        original=original,
        recipe=load_recipe(recipe),
        input_shape=input_shape,
        replace=force,
        progress=show.Bars(),
    )
    if as_json:
        show.json_document(found)
        return
    kl = "" if found.kl is None else f", KL {found.kl:.4f} nats"
    click.echo(
        f"wrote {out}: {found.size_bytes / 1000:,.1f} kB of {found.original_bytes / 1000:,.1f}; "
        f"{found.agreement:.1%} of {found.samples} held-out answers are the same{kl}"
    )


quantize = step_command("quantize", "Turn one ONNX file's arithmetic into 8-bit integers.")
prune_channels = step_command("prune-channels", "Cut channels that matter little off an ONNX file.")
slim = step_command("slim", "Let one ONNX file need fewer multiply-accumulates.")
distill = step_command(
    "distill",
    "Train one ONNX file to answer as another does.",
    click.Option(
        ["--original"],
        type=click.Path(path_type=Path),
        required=True,
        help="The ONNX file to learn from.",
    ),
)
finetune = step_command("finetune", "Train one ONNX file on labelled data.")
