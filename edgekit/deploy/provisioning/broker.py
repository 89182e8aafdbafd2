"""The folder that mosquitto needs: what it trusts, who may connect, and what each may do."""

from collections.abc import Iterable
from datetime import datetime

from edgekit.deploy.provisioning.access import access_list
from edgekit.deploy.provisioning.authority import Authority
from edgekit.deploy.provisioning.registry import Issued, Registry
from edgekit.messaging.topics import Topics

CERTIFICATE_PORT = 8883
PASSWORD_PORT = 8884

_CONFIGURATION = f"""\
# /etc/mosquitto/conf.d/edgekit.conf, with this folder as /etc/mosquitto/edgekit.
# mosquitto 2 takes new passwords, access lists and revocations on SIGHUP, for who connects then; a
# restart cuts off who is connected already.
per_listener_settings false
allow_anonymous false
acl_file /etc/mosquitto/edgekit/acl
password_file /etc/mosquitto/edgekit/passwords

# Boards with a certificate: its name is their user name.
listener {CERTIFICATE_PORT}
cafile /etc/mosquitto/edgekit/ca.pem
certfile /etc/mosquitto/edgekit/server.pem
keyfile /etc/mosquitto/edgekit/server.key
crlfile /etc/mosquitto/edgekit/crl.pem
require_certificate true
use_identity_as_username true

# Boards with a password.
listener {PASSWORD_PORT}
cafile /etc/mosquitto/edgekit/ca.pem
certfile /etc/mosquitto/edgekit/server.pem
keyfile /etc/mosquitto/edgekit/server.key
"""


def broker_files(authority: Authority, registry: Registry, *, now: datetime) -> dict[str, bytes]:
    """The files' contents by name; all but the broker's own certificate, which is made once."""
    live = [one for one in registry.issued if one.is_live(now)]
    boards = {one.user: Topics(one.fleet, one.device) for one in live}
    void = [
        (one.number, one.revoked)
        for one in registry.issued
        if one.kind == "certificate" and one.revoked is not None
    ]
    return {
        "ca.pem": authority.certificate,
        "crl.pem": authority.revocations(void, now=now),
        "acl": access_list(boards.items()).encode(),
        "passwords": _passwords(live).encode(),
        "edgekit.conf": _CONFIGURATION.encode(),
    }


def _passwords(live: Iterable[Issued]) -> str:
    return "".join(f"{one.line}\n" for one in live if one.line is not None)
