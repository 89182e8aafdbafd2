"""Builds microcontrollers from their settings."""

from contextlib import ExitStack

from edgekit.bridge.libraries import need_libraries
from edgekit.config.mcu import McuTable
from edgekit.daemon.assembly.pipelines import Workshop
from edgekit.daemon.mcu import Mcu
from edgekit.errors import ConfigError, InputError


def make_mcu(name: str, table: McuTable, workshop: Workshop, resources: ExitStack) -> Mcu:
    """A microcontroller with its sinks open; entering opens its port.

    Args:
        name: what the settings call it.
        table: what they say of it.
        workshop: what all pipelines share.
        resources: closes the sinks.

    Raises:
        ConfigError: a library is missing, or its port is used at another baud rate.
        Unavailable: a sink cannot be opened.
    """
    try:
        need_libraries()
        port = workshop.ports.get(table.port, baud=table.baud, name=name)
    except InputError as error:
        raise ConfigError(f"mcu.{name}", [str(error)]) from error
    return Mcu(
        name,
        table,
        port,
        workshop.open_sinks(table.sinks, resources),
        boot=workshop.boot,
        listener=workshop.listener,
        counts=workshop.numbering.counts(name),
    )
