"""Callbacks that read what an option was given."""

import click


def input_shape(
    ctx: click.Context, option: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """A shape such as 1,3,224,224."""
    if value is None:
        return None
    axes = value.replace("x", ",").split(",")
    if not all(axis.strip().isdecimal() and int(axis) > 0 for axis in axes):
        raise click.BadParameter(f"{value!r} is not a shape such as 1,3,224,224", ctx, option)
    return tuple(int(axis) for axis in axes)


def size(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """A size such as 600kB, as recipes take it."""
    import msgspec

    from edgekit.compress.steps import Size

    try:
        return msgspec.convert(value, Size | None)
    except msgspec.ValidationError:
        raise click.BadParameter(f"{value!r} is not a size such as 600kB", ctx, option) from None
