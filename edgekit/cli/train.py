"""`edgekit train`."""

from pathlib import Path

import click

from edgekit.cli.reporting import show_training


@click.command(short_help="Train a model as a recipe says.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="In place of the recipe's path.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--epochs", type=click.IntRange(1), help="In place of the recipe's.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the folder.")
@click.option("--force", is_flag=True, help="Replace what is in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def train(
    recipe: Path,
    data: Path | None,
    out: Path | None,
    epochs: int | None,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Train what RECIPE says, and write the model, its training step and a report.

    Every epoch leaves a checkpoint in OUT, from which --resume goes on, also with more --epochs.
    `models/` has recipes; docs/training.md explains them.
    """
    import msgspec

    from edgekit.cli.curve import LiveCurve
    from edgekit.errors import ConfigError
    from edgekit.zoo.training import load_training_recipe, train_recipe, write_outcome
    from edgekit.zoo.training.writing import CHECKPOINTS, require_free

    loaded = load_training_recipe(recipe)
    out = out or loaded.out
    if out is None:
        raise ConfigError(str(recipe), ["out: is missing; say it, or --out FOLDER"])
    if epochs is not None:
        loaded = msgspec.structs.replace(loaded, epochs=epochs)
    require_free(out, resume=resume, replace=force)
    with LiveCurve() as curve:
        outcome = train_recipe(
            loaded,
            where=str(recipe),
            folder=recipe.parent,
            data=data,
            checkpoints=out / CHECKPOINTS,
            progress=curve,
            on_epoch=curve.add,
        )
    write_outcome(outcome, out)
    show_training(outcome.report, out, as_json=as_json)
