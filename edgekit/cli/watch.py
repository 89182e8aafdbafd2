"""`edgekit watch`."""

import json
import queue
import shutil
import sys
from typing import Any

import click

from edgekit.cli.broker import Visit, broker_of, broker_options
from edgekit.errors import InputError
from edgekit.messaging.topics import PREFIX, check_name

_REFRESH_S = 0.1


@click.command(short_help="Show live what boards say over MQTT.")
@broker_options
@click.option("--fleet", help="Boards of this fleet; of all where left out.")
@click.option("--device", help="This board; all where left out.")
@click.option("--pipeline", help="This pipeline's predictions and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document a message.")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
def watch(
    fleet: str | None,
    device: str | None,
    pipeline: str | None,
    as_json: bool,
    count: int | None,
    **where: Any,
) -> None:
    """Show live what boards say: predictions, events, and how they are.

    In a terminal each pipeline has a line, with a bar of its confidence, or of its score against
    the threshold. Elsewhere each message is a line. Ctrl-C ends it.
    """
    settings, configured_fleet = broker_of(where)
    with Visit(settings, _topics(fleet or configured_fleet, device, pipeline)) as visit:
        show = _as_json if as_json else _as_screen() if sys.stdout.isatty() else _as_line
        try:
            shown = 0
            while count is None or shown < count:
                try:
                    message = visit.messages.get(timeout=_REFRESH_S)
                except queue.Empty:
                    show(None, b"")
                    continue
                shown += show(message.topic, bytes(message.payload))
        except KeyboardInterrupt:
            pass
        show(None, b"")


def _topics(fleet: str | None, device: str | None, pipeline: str | None) -> list[str]:
    for what, name in (("fleet", fleet), ("device", device), ("pipeline", pipeline)):
        if name is not None:
            check_name(what, name)
    start = f"{PREFIX}/{fleet or '+'}/{device or '+'}"
    if pipeline is not None:
        return [f"{start}/infer/{pipeline}"]
    return [f"{start}/{rest}" for rest in ("status", "metrics", "infer/+", "event/+")]


def _as_json(topic: str | None, payload: bytes) -> int:
    from edgekit.cli.watching import read

    if topic is None:
        return 0
    document: dict[str, Any] = {"topic": topic}
    try:
        if read(topic, payload) is None:
            return 0
        document["message"] = json.loads(payload)
    except InputError as error:
        document["unreadable"] = str(error)
    click.echo(json.dumps(document))
    return 1


def _as_line(topic: str | None, payload: bytes) -> int:
    from edgekit.cli.watching import line_of, printable, read

    if topic is None:
        return 0
    try:
        found = read(topic, payload)
    except InputError as error:
        click.echo(printable(f"{topic}  cannot be read: {error}"))
        return 1
    if found is None:
        return 0
    click.echo(line_of(*found).text())
    return 1


def _as_screen() -> Any:
    """Draws at most every tenth of a second, whatever comes."""
    import time

    from edgekit.cli.watching import Line, Screen, printable, read

    screen = Screen()
    blocks = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    drawn_s = 0.0
    is_old = True

    def show(topic: str | None, payload: bytes) -> int:
        nonlocal drawn_s, is_old
        taken = 0
        if topic is not None:
            try:
                if (found := read(topic, payload)) is not None:
                    screen.take(*found)
                    taken = 1
            except InputError as error:
                screen.note(Line(printable(topic), printable(str(error)), alarm=True))
                taken = 1
            is_old = True
        if is_old and (topic is None or time.monotonic() - drawn_s >= _REFRESH_S):
            size = shutil.get_terminal_size()
            click.echo(
                screen.drawing(width=size.columns, height=size.lines, blocks=blocks), nl=False
            )
            drawn_s, is_old = time.monotonic(), False
        return taken

    return show
