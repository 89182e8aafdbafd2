"""`edgekit command`."""

import base64
import binascii
import json
import queue
import secrets
import time
from pathlib import Path
from typing import Any

import click

from edgekit.cli.broker import Visit, broker_of, broker_options
from edgekit.errors import InputError, Unavailable
from edgekit.messaging.payloads import ARGUMENTS, Answer, Command, decode_answer, encode
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import Topics

_LATER = ("unavailable", "too-many")


@click.command(short_help="Tell a board to do something, over MQTT.")
@click.argument("device")
@click.argument("verb", type=click.Choice(sorted(ARGUMENTS)))
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@broker_options
@click.option("--fleet", help="The board's fleet; default where left out.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Signs the command with the key in this file.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where a picture goes."
)
@click.option("--timeout", "timeout_s", type=click.FloatRange(0, min_open=True), default=10.0)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON document.")
def command(
    device: str,
    verb: str,
    arguments: tuple[str, ...],
    fleet: str | None,
    key_file: Path | None,
    out: Path | None,
    timeout_s: float,
    as_json: bool,
    **where: Any,
) -> None:
    r"""Tell DEVICE to follow VERB, and print what it answers.

    \b
    snapshot [pipeline=NAME]                sends its newest picture
    reload                                  reads its configuration again
    set-rate [pipeline=NAME] max_hz=N       caps the samples a second (null: no cap)
    collect  [pipeline=NAME] samples=N      keeps the next samples for training
    label    [pipeline=NAME] label=CLASS [back=N] [sequence=N]
                                            says what one of the newest samples is
    mcu      command=NAME [args=JSON] [device=NAME] [timeout_s=N]
                                            has a microcontroller do something

    The board's [commands] table says which of these it follows.
    """
    from edgekit.messaging.authority import read_key

    text = _arguments(verb, arguments)
    key = None if key_file is None else read_key(key_file)
    settings, configured_fleet = broker_of(where)
    topics = Topics(fleet or configured_fleet or "default", device)
    answer = _ask(settings, topics, verb, text, key, timeout_s)
    result = dict(answer.result)
    if isinstance(picture := result.get("jpeg"), str):
        result["jpeg"] = str(_save(picture, out or Path(f"{device}-{verb}-{answer.id}.jpg")))
    if as_json:
        click.echo(json.dumps({"code": answer.code, "said": answer.said, "result": result}))
    elif answer.code == "ok":
        click.echo(_plain(answer.said))
        for name, value in result.items():
            click.echo(_plain(f"  {name}: {value}"))
    if answer.code != "ok":
        error = Unavailable if answer.code in _LATER else InputError
        raise error(_plain(f"{device} answered {answer.code}: {answer.said}"))


def _arguments(verb: str, pairs: tuple[str, ...]) -> bytes:
    """The arguments as JSON; values that are no JSON are text.

    Raises:
        InputError: they are not what the verb takes.
    """
    import msgspec

    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r}: write it as key=value")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    try:
        msgspec.convert(found, ARGUMENTS[verb])
    except msgspec.ValidationError as error:
        raise InputError(f"{verb}: {error}") from error
    return json.dumps(found).encode()


def _ask(
    settings: MqttSettings,
    topics: Topics,
    verb: str,
    arguments: bytes,
    key: bytes | None,
    timeout_s: float,
) -> Answer:
    """Sends the command, and waits for its answer.

    Raises:
        Unavailable: no broker, or no answer in time.
        InputError: an answer that cannot be read.
    """
    import msgspec
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    from edgekit.messaging.authority import sign

    command_id, issued = secrets.token_hex(8), time.time_ns() // 1_000_000
    topic, answers = topics.command(verb), topics.answer(verb, command_id)
    mac = None
    if key is not None:
        mac = sign(key, topic, command_id=command_id, issued=issued, arguments=arguments)
    payload = encode(
        Command(arguments=msgspec.Raw(arguments), id=command_id, issued=issued, mac=mac)
    )
    more = None
    if settings.version == "5":
        more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        more.ResponseTopic, more.CorrelationData = answers, command_id.encode()
    with Visit(settings, [answers]) as visit:
        visit.publish(topic, payload, more)
        try:
            message = visit.messages.get(timeout=timeout_s)
        except queue.Empty:
            raise Unavailable(
                f"{topics.device} did not answer in {timeout_s:g} s; is it online, in the fleet "
                f"{topics.fleet}, and does its [commands] table allow anything?"
            ) from None
    return decode_answer(bytes(message.payload))


def _save(picture: str, path: Path) -> Path:
    try:
        path.write_bytes(base64.b64decode(picture, validate=True))
    except binascii.Error as error:
        raise InputError(f"the answer's picture cannot be read: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return path


def _plain(text: str) -> str:
    from edgekit.cli.watching import printable

    return printable(text)
