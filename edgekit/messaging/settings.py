"""How to reach the broker, as an operator writes it."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgekit.errors import ConfigError

PLAIN_PORT = 1883
TLS_PORT = 8883
_LARGEST_BYTES = 256_000_000


@dataclass(frozen=True)
class MqttSettings:
    """Where the broker is and who we are to it.

    Attributes:
        host: name or address.
        port: 1883 where left out, or 8883 with TLS.
        version: of MQTT. Nothing falls back from 5 to 3.1.1 by itself: it is said here.
        username: with `password`, where the broker asks for them.
        ca: PEM file of the authority that signed the broker's certificate; turns TLS on. TLS
            without it trusts what the system trusts.
        tls: whether to encrypt.
        certificate: PEM file that says who we are, with what vouches for it; turns TLS on. It is
            read again at every connect, so that a new one can take its place at any time.
        key: PEM file of the certificate's private key, where that is not in the same file.
        client_id: must be this board's alone; left out it is made from fleet and device.
        keepalive_s: how long the broker hears nothing before it publishes the last will.
        max_queued: how many messages wait for the broker in memory at most.
        max_received_bytes: how large a payload may be that the broker sends us.

    Raises:
        ConfigError: settings that cannot be used, all of them at once.
    """

    host: str
    port: int | None = None
    version: Literal["5", "3.1.1"] = "5"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    client_id: str | None = None
    keepalive_s: int = 60
    max_queued: int = 1000
    max_received_bytes: int = 256 * 1024

    def __post_init__(self) -> None:
        if mistakes := list(self._mistakes()):
            raise ConfigError("mqtt", mistakes)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is used: asked for, or implied by `ca` or `certificate`."""
        return self.tls or self.ca is not None or self.certificate is not None

    @property
    def effective_port(self) -> int:
        """The port, with the default filled in."""
        return self.port or (TLS_PORT if self.encrypted else PLAIN_PORT)

    @property
    def address(self) -> str:
        """`host:port`, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.effective_port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """What TLS trusts and what it shows of us; `None` without TLS.

        Raises:
            ConfigError: the `ca`, `certificate` or `key` file is missing or cannot serve.
        """
        if not self.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # SSLError is one
            reason = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else error
            raise ConfigError("mqtt", [f"ca: {self.ca}: {reason}"]) from error
        if self.certificate is not None:
            _load_certificate(context, self.certificate, self.key)
        context.sslsocket_class = _TidySocket
        return context

    def _mistakes(self) -> Iterator[str]:
        if not self.host or any(letter.isspace() for letter in self.host):
            yield f"host: {self.host!r} is not a host name"
        if self.port is not None and not 1 <= self.port <= 65535:
            yield f"port: {self.port} is not between 1 and 65535"
        if self.version not in ("5", "3.1.1"):
            yield f'version: {self.version!r} is neither "5" nor "3.1.1"'
        if self.password is not None and self.username is None:
            yield "password: needs a username beside it"
        if self.key is not None and self.certificate is None:
            yield "key: needs a certificate beside it"
        if not 1 <= self.keepalive_s <= 65535:
            yield f"keepalive_s: {self.keepalive_s} is not between 1 and 65535"
        if self.max_queued < 1:
            yield f"max_queued: {self.max_queued} is less than 1"
        if not 1024 <= self.max_received_bytes <= _LARGEST_BYTES:
            yield (
                f"max_received_bytes: {self.max_received_bytes} is not between 1024 and "
                f"{_LARGEST_BYTES}"
            )


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    def no_password() -> str:
        raise ValueError("the key is encrypted; store it without a passphrase")

    where = f"certificate: {certificate}" + (f" with key {key}" if key else "")
    try:
        context.load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        text = f"{where}: cannot be used: {reason}; are both PEM files, and of each other?"
        raise ConfigError("mqtt", [text]) from error
    except OSError as error:
        raise ConfigError("mqtt", [f"{where}: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError("mqtt", [f"{where}: {error}"]) from error


class _TidySocket(ssl.SSLSocket):
    """Closes itself where the handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise
