"""The four signed documents of a repository, in memory: what changes, and who signs it."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from securesystemslib.signer import Key, Signer  # type: ignore[attr-defined]
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # its own way to export them
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edgekit.deploy.keys import ROLES, Role
from edgekit.errors import InputError
from edgekit.update.release import NOTE, Offer, TargetNote, offer_of, target_path

DAYS: Mapping[Role, int] = {"root": 365, "targets": 365, "snapshot": 14, "timestamp": 7}
"""How long a signature of each role counts by default."""

_DAYS = "x-edgekit-days"
_KINDS: dict[Role, Any] = {
    "root": Root,
    "targets": Targets,
    "snapshot": Snapshot,
    "timestamp": Timestamp,
}

Signers = Callable[[str], Signer | None]
"""The signer of a key id, where its private half is at hand."""


@dataclass(frozen=True)
class Changed:
    """A signed file to publish.

    Attributes:
        name: of the file below `metadata/`.
        data: its bytes.
    """

    name: str
    data: bytes


class RepositoryMetadata:
    """Root, targets, snapshot and timestamp.

    Methods change documents; `signed` signs what changed, and all that depends on it.
    """

    def __init__(self, documents: Mapping[Role, "Metadata[Any]"]) -> None:
        self._documents = dict(documents)
        self._changed: set[Role] = set()
        self._former: dict[Role, list[str]] = {}
        self._trusted_root: Metadata[Any] | None = None

    @classmethod
    def new(
        cls,
        keys: Mapping[Role, list[Key]],
        *,
        thresholds: Mapping[Role, int],
        days: Mapping[Role, int],
        now: datetime,
    ) -> "RepositoryMetadata":
        """Documents of an empty repository, not signed yet.

        Raises:
            InputError: a threshold is more than there are keys, or a number of days is no use.
        """
        for role in ROLES:
            if not 1 <= thresholds.get(role, 1) <= len(keys[role]):
                raise InputError(
                    f"{role}: a threshold of {thresholds.get(role, 1)} needs as many keys; "
                    f"there are {len(keys[role])}"
                )
            if not 1 <= days[role] <= 36500:
                raise InputError(f"{role}: {days[role]} days are no time to be signed for")
        made: dict[Role, Metadata[Any]] = {role: Metadata(_KINDS[role]()) for role in ROLES}
        root = made["root"].signed
        root.consistent_snapshot = True
        root.unrecognized_fields[_DAYS] = dict(days)
        for role in ROLES:
            for key in keys[role]:
                root.add_key(key, role)
            root.roles[role].threshold = thresholds.get(role, 1)
        documents = cls(made)
        for document in made.values():
            document.signed.version = 0
        for role in ROLES:
            documents.renew(role, now=now)
        return documents

    @classmethod
    def read(cls, files: Callable[[str], bytes], *, root_version: int) -> "RepositoryMetadata":
        """The documents that stand in a repository.

        Args:
            files: the bytes of a file below `metadata/`.
            root_version: the number of the newest root.

        Raises:
            InputError: a file is missing or damaged.
        """
        try:
            root = Metadata[Any].from_bytes(files(f"{root_version}.root.json"))
            timestamp = Metadata[Any].from_bytes(files("timestamp.json"))
            number = timestamp.signed.snapshot_meta.version
            snapshot = Metadata[Any].from_bytes(files(f"{number}.snapshot.json"))
            number = snapshot.signed.meta["targets.json"].version
            targets = Metadata[Any].from_bytes(files(f"{number}.targets.json"))
        except (OSError, RepositoryError, KeyError, AttributeError) as error:
            raise InputError(f"the repository's metadata cannot be read: {error}") from error
        return cls({"root": root, "targets": targets, "snapshot": snapshot, "timestamp": timestamp})

    def offers(self) -> tuple[Offer, ...]:
        """What is signed, in the order of its targets.

        Raises:
            BundleError: an entry contradicts itself.
        """
        found = [
            offer_of(
                path,
                size_bytes=target.length,
                sha256=target.hashes.get("sha256", ""),
                custom=target.unrecognized_fields.get("custom"),
            )
            for path, target in self._documents["targets"].signed.targets.items()
        ]
        return tuple(offer for offer in found if offer is not None)

    def add(self, note: TargetNote, *, size_bytes: int, sha256: str, now: datetime) -> None:
        """Lists an archive, in place of one of the same name and version."""
        path = target_path(note.name, note.version)
        custom = {NOTE: msgspec.to_builtins(note)}
        target = TargetFile(size_bytes, {"sha256": sha256}, path, {"custom": custom})
        self._documents["targets"].signed.targets[path] = target
        self.renew("targets", now=now)

    def renew(self, role: Role, *, now: datetime) -> None:
        """Gives a document its next version, and a fresh end of validity."""
        if role in self._changed:
            return
        signed = self._documents[role].signed
        if role == "root" and signed.version > 0:
            self._trusted_root = deepcopy(self._documents["root"])
        signed.version += 1
        signed.expires = (now + timedelta(days=self.days(role))).replace(microsecond=0)
        self._changed.add(role)
        below: dict[Role, Role] = {"targets": "snapshot", "snapshot": "timestamp"}
        if role in below:
            self.renew(below[role], now=now)

    def rotate(self, role: Role, old: str, new: Key, *, now: datetime) -> None:
        """Takes a key of a role out of trust and puts another in its place.

        The role's document is signed by both once more, so that boards believe it whether or not
        they have seen the new root; from the next signature on the old key counts for nothing.
        """
        self.renew("root", now=now)
        root = self._documents["root"].signed
        root.revoke_key(old, role)
        root.add_key(new, role)
        if role != "root":
            self._former.setdefault(role, []).append(old)
            self.renew(role, now=now)

    def days(self, role: Role) -> int:
        """How long a signature of a role counts."""
        days = self._documents["root"].signed.unrecognized_fields.get(_DAYS, {})
        return int(days.get(role, DAYS[role]))

    def expires(self, role: Role) -> datetime:
        """When a document's signature ends."""
        found: datetime = self._documents[role].signed.expires
        return found

    def keyids(self, role: Role) -> list[str]:
        """The keys that are trusted for a role."""
        return list(self._documents["root"].signed.roles[role].keyids)

    def version(self, role: Role) -> int:
        """The number of a document."""
        return int(self._documents[role].signed.version)

    def signed(self, signers: Signers) -> list[Changed]:
        """Signs what changed, in the order in which it is to be published.

        Every prefix of it is a repository that a board believes: the files that others name come
        before those that name them, and the root last.

        Raises:
            InputError: too few keys of a role are at hand.
        """
        made: list[Changed] = []
        if "targets" in self._changed:
            data = self._sign("targets", signers)
            number = self.version("targets")
            made.append(Changed(f"{number}.targets.json", data))
            meta = MetaFile.from_data(number, data, ["sha256"])
            self._documents["snapshot"].signed.meta["targets.json"] = meta
        if "snapshot" in self._changed:
            data = self._sign("snapshot", signers)
            number = self.version("snapshot")
            made.append(Changed(f"{number}.snapshot.json", data))
            meta = MetaFile.from_data(number, data, ["sha256"])
            self._documents["timestamp"].signed.snapshot_meta = meta
        if "timestamp" in self._changed:
            made.append(Changed("timestamp.json", self._sign("timestamp", signers)))
        if "root" in self._changed:
            data = self._sign("root", signers)
            made.append(Changed(f"{self.version('root')}.root.json", data))
        self._changed.clear()
        self._former.clear()
        self._trusted_root = None
        return made

    def _sign(self, role: Role, signers: Signers) -> bytes:
        document = self._documents[role]
        document.signatures.clear()
        self._sign_by(self._documents["root"], role, document, signers)
        former = self._trusted_root
        if role == "root" and former is not None:
            self._sign_by(former, role, document, signers)
        for keyid in self._former.get(role, ()):
            if (signer := signers(keyid)) is not None:
                document.sign(signer, append=True)
        data: bytes = document.to_bytes()
        return data

    def _sign_by(
        self, root: "Metadata[Any]", role: Role, document: "Metadata[Any]", signers: Signers
    ) -> None:
        """Signs with all keys at hand that a root names for a role."""
        named = root.signed.roles[role]
        found = [signer for keyid in named.keyids if (signer := signers(keyid)) is not None]
        if len(found) < named.threshold:
            raise InputError(
                f"signing {role} takes {named.threshold} of its {len(named.keyids)} keys, "
                f"{len(found)} are at hand; give the folder of the others with --keys"
            )
        for signer in found:
            document.sign(signer, append=True)
