"""What a board remembers of its rounds, so that it goes on where it was when it lost its power.

Each file is replaced as a whole. What a round would change of what the board keeps (what error
feedback left over, control variates, a head of its own) waits beside the update, and moves only
when the coordinator says that the update counts.
"""

import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.durable import write_durably
from edgekit.learning.federated.framing import dumped, loaded_map
from edgekit.learning.federated.messages import Invite, decode, encode

_log = logging.getLogger(__name__)
_INVITED, _TRAINED, _KEPT, _TOLD = "invited.cbor", "trained.cbor", "kept.cbor", "told.json"
_SECURE = "secure.cbor"
SCHEMA = 1

RoundId = tuple[str, int]
"""A run, and the number of a round in it."""


@dataclass(frozen=True)
class Invited:
    """A round that the board said it takes part in.

    Attributes:
        invite: as it came.
        taken_s: when it came, in seconds since 1970.
        step: of which step: `step_digest`.
    """

    invite: Invite
    taken_s: float
    step: str

    @property
    def id(self) -> RoundId:
        """Which round it is."""
        return self.invite.run, self.invite.round

    def is_over(self, now_s: float) -> bool:
        """Whether its answers come too late; also where the clock was set back before it."""
        return not self.taken_s - 3600 <= now_s <= self.taken_s + self.invite.seconds


@dataclass(frozen=True)
class Kept:
    """What lasts from round to round.

    Attributes:
        step: whose it is: `step_digest`.
        after: the round that changed it last; `None` at first.
        residual: what error feedback left over, float32; `None` where there is none.
        control: SCAFFOLD's control variate of this board by name.
        own: the parameters that never leave the board by name.
        model: the global model's by name, where the board answers with what was learned.
    """

    step: str
    after: RoundId | None = None
    residual: Array | None = None
    control: Mapping[str, Array] = field(default_factory=dict)
    own: Mapping[str, Array] = field(default_factory=dict)
    model: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A round whose update is ready.

    Attributes:
        invite: which it answers.
        message: the update, encoded.
        then: what is kept once it counts.
        trained_s: when it was ready, in seconds since 1970.
    """

    invite: Invite
    message: bytes
    then: Kept
    trained_s: float

    @property
    def id(self) -> RoundId:
        """Which round it is."""
        return self.invite.run, self.invite.round


@dataclass(frozen=True)
class Told:
    """Counts that last.

    Attributes:
        rounds: how many updates counted.
        day: the day that `today` is of, `YYYY-MM-DD`.
        today: how many rounds were begun that day.
        state: what became of the last round.
        last: which was the last round that is over.
    """

    rounds: int = 0
    day: str = ""
    today: int = 0
    state: str = ""
    last: RoundId | None = None

    def rounds_on(self, day: date) -> int:
        """How many rounds were begun on a day, if it is the last on which there was one."""
        return self.today if self.day == day.isoformat() else 0

    def begun(self, day: date) -> "Told":
        """After one more round was begun."""
        return replace(self, day=day.isoformat(), today=self.rounds_on(day) + 1)


class RoundFiles:
    """The files of one job, in a folder of their own. For one thread at a time.

    Args:
        folder: made where it is not there.

    Raises:
        InputError: it cannot be made; so all methods, where a file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be made: {error.strerror}") from error
        self._folder = folder

    def invited(self) -> Invited | None:
        """The round that is under way and not trained, if there is one."""
        found = self._read(_INVITED)
        if found is None:
            return None
        try:
            return Invited(_invite(found["invite"]), float(found["taken"]), str(found["step"]))
        except (KeyError, TypeError, ValueError, InputError) as error:
            self._damaged(_INVITED, error)
            return None

    def save_invited(self, invited: Invited) -> None:
        """Remembers a round before the coordinator is told that the board takes part."""
        self._write(
            _INVITED,
            {
                "invite": encode(invited.invite),
                "taken": invited.taken_s,
                "step": invited.step,
            },
        )

    def trained(self) -> Trained | None:
        """The update that waits for the coordinator's receipt, if there is one."""
        found = self._read(_TRAINED)
        if found is None:
            return None
        try:
            then = _kept_of(found["then"])
            return Trained(
                _invite(found["invite"]), bytes(found["message"]), then, float(found["at"])
            )
        except (KeyError, TypeError, ValueError, InputError) as error:
            self._damaged(_TRAINED, error)
            return None

    def save_trained(self, trained: Trained) -> None:
        """Keeps an update, and forgets that it was to be trained."""
        self._write(
            _TRAINED,
            {
                "invite": encode(trained.invite),
                "message": trained.message,
                "then": _map_of(trained.then),
                "at": trained.trained_s,
            },
        )
        self._remove(_INVITED)

    def save_secure(self, round_id: RoundId, state: bytes) -> None:
        """Keeps where a round's secure sum stands: secret."""
        self._write(_SECURE, {"of": list(round_id), "state": state}, secret=True)

    def secure(self, round_id: RoundId) -> bytes | None:
        """Where a round's secure sum stands, if it has begun."""
        found = self._read(_SECURE)
        if found is None or found.get("of") != list(round_id):
            return None
        state = found.get("state")
        return state if isinstance(state, bytes) else None

    def kept(self, step: str) -> Kept:
        """What lasts, where it is of this step; else nothing."""
        found = self._read(_KEPT)
        if found is None:
            return Kept(step)
        try:
            kept = _kept_of(found)
        except (KeyError, TypeError, ValueError, InputError) as error:
            self._damaged(_KEPT, error)
            return Kept(step)
        return kept if kept.step == step else Kept(step)

    def count(self, trained: Trained) -> None:
        """Makes what waited beside an update what is kept, and forgets the round."""
        self._write(_KEPT, _map_of(trained.then))
        self.forget()

    def forget(self) -> None:
        """Forgets the round that is under way; what is kept stays as it is."""
        for name in (_TRAINED, _INVITED, _SECURE):
            self._remove(name)

    def told(self) -> Told:
        """The counts."""
        try:
            found = json.loads((self._folder / _TOLD).read_bytes())
            last = found["last"]
            return Told(
                int(found["rounds"]),
                str(found["day"]),
                int(found["today"]),
                str(found["state"]),
                None if last is None else (str(last[0]), int(last[1])),
            )
        except FileNotFoundError:
            return Told()
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            self._damaged(_TOLD, error)
            return Told()

    def save_told(self, told: Told) -> None:
        """Keeps the counts."""
        data = json.dumps(
            {
                "rounds": told.rounds,
                "day": told.day,
                "today": told.today,
                "state": told.state,
                "last": told.last,
            }
        ).encode()
        write_durably(self._folder / _TOLD, lambda file: file.write(data))

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            data = (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._damaged(name, error)
            return None
        try:
            found = loaded_map(data)
        except InputError as error:
            self._damaged(name, error)
            return None
        if found.get("schema") != SCHEMA:
            self._damaged(name, InputError(f"the schema {found.get('schema')!r} is unknown"))
            return None
        return found

    def _write(self, name: str, found: Mapping[str, Any], *, secret: bool = False) -> None:
        data = dumped({"schema": SCHEMA, **found})
        write_durably(self._folder / name, lambda file: file.write(data), secret=secret)

    def _remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _damaged(self, name: str, error: Exception) -> None:
        _log.warning("%s: not readable (%s); going on without it", self._folder / name, error)
        self._remove(name)


def _invite(data: object) -> Invite:
    if not isinstance(data, bytes):
        raise InputError("no invitation")
    said = decode(data)
    if not isinstance(said, Invite):
        raise InputError("no invitation")
    return said


def _map_of(kept: Kept) -> dict[str, Any]:
    arrays = {f"control/{name}": array for name, array in kept.control.items()}
    arrays |= {f"own/{name}": array for name, array in kept.own.items()}
    arrays |= {f"model/{name}": array for name, array in kept.model.items()}
    if kept.residual is not None:
        arrays["residual"] = kept.residual
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    after = None if kept.after is None else list(kept.after)
    return {"schema": SCHEMA, "step": kept.step, "after": after, "arrays": data.getvalue()}


def _kept_of(found: object) -> Kept:
    if not isinstance(found, dict):
        raise InputError("nothing that is kept")
    try:
        with np.load(io.BytesIO(found["arrays"]), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # numpy and zipfile raise half a dozen kinds for bad bytes
        raise InputError(f"its arrays are damaged: {error}") from error
    after = found["after"]
    return Kept(
        str(found["step"]),
        None if after is None else (str(after[0]), int(after[1])),
        arrays.pop("residual", None),
        {n.removeprefix("control/"): a for n, a in arrays.items() if n.startswith("control/")},
        {n.removeprefix("own/"): a for n, a in arrays.items() if n.startswith("own/")},
        {n.removeprefix("model/"): a for n, a in arrays.items() if n.startswith("model/")},
    )
