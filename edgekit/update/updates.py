"""The updates of a board: fetch, try, commit, roll back, and what to run at a start."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

from msgspec.structs import replace

from edgekit.bundle import Bundle, open_bundle
from edgekit.bundle.manifest import EngineName
from edgekit.errors import BundleError, EdgekitError, InputError
from edgekit.update import state as steps
from edgekit.update.answers import Boot, Candidate, Limits, Step
from edgekit.update.checks import SelfTest, check_engines, installed_engines
from edgekit.update.choosing import UNKNOWN, choose
from edgekit.update.download import Downloads
from edgekit.update.files import DiskFiles, FileSystem, disk_errors
from edgekit.update.fitness import first_fit
from edgekit.update.release import Offer, Release
from edgekit.update.repository import SignedRepository, read_root
from edgekit.update.sources import Source
from edgekit.update.state import Phase, SlotState
from edgekit.update.state_file import StateFiles
from edgekit.update.store import BundleStore, tidy
from edgekit.update.trusted_time import TrustedTime

_log = logging.getLogger(__name__)


def _nobody_asks(step: Step) -> None:
    """What is told to nobody."""


class Updates:
    """The updates of all bundles of a board, by the bundles' names. For any thread.

    One process owns the folder.
    """

    def __init__(
        self,
        folder: Path,
        repository: SignedRepository,
        *,
        self_test: SelfTest,
        files: FileSystem,
        limits: Limits,
        engines: frozenset[EngineName],
    ) -> None:
        """Nothing is read yet; `open` is the way to make one.

        Args:
            folder: of this board's updates.
            repository: what is signed.
            self_test: loads a bundle and reproduces its golden vectors.
            files: changes the disk.
            limits: what updates may take.
            engines: those that this board has.
        """
        self._folder = folder
        self._repository = repository
        self._self_test = self_test
        self._limits = limits
        self._engines = engines
        self._states = StateFiles(folder / "slots", files)
        self._store = BundleStore(folder / "store", files, cap_bytes=limits.store_bytes)
        self._downloads = Downloads(folder / "downloads", files, pace=limits.pace)
        self._shipped: dict[str, Release] = {}
        self._lock, self._fetching = threading.RLock(), threading.Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        root: Path,
        source: Source,
        self_test: SelfTest,
        files: FileSystem | None = None,
        limits: Limits | None = None,
        engines: frozenset[EngineName] | None = None,
        clock_s: Callable[[], float] = time,
    ) -> "Updates":
        """The updates that a folder keeps.

        Args:
            folder: of this board's updates; made when it is first written to.
            root: the trusted root metadata that was installed with the board.
            source: where the repository is.
            self_test: loads a bundle and reproduces its golden vectors; raises if it does not.
            files: changes the disk; by default the disk itself.
            limits: what updates may take.
            engines: those that this board has; by default those that are installed.
            clock_s: seconds since 1970 UTC, which may be behind.

        Raises:
            ConfigError: the root cannot be read.
        """
        disk = files or DiskFiles()
        bounds = limits or Limits()
        repository = SignedRepository(
            folder / "metadata",
            root=read_root(root),
            source=source,
            files=disk,
            time=TrustedTime(folder / "time.json", disk, clock_s=clock_s),
            pace=bounds.pace,
        )
        return cls(
            folder,
            repository,
            self_test=self_test,
            files=disk,
            limits=bounds,
            engines=installed_engines() if engines is None else engines,
        )

    def state(self, name: str) -> SlotState:
        """The slots of a bundle name, as they are on the disk."""
        return self._states.load(name)

    def phase(self, name: str) -> Phase:
        """Where a bundle's update stands."""
        return self.state(name).phase

    def boot(self, name: str, shipped: Path | None = None) -> Boot:
        """What to run: to be called once for each bundle name when the daemon starts.

        Counts the start where a trial runs, and gives the trial up after too many. What is given
        back has just been verified and self-tested: the bundle that was committed last, else the
        one before it, else the one that the settings name.

        Args:
            name: the bundle's name.
            shipped: the bundle that the settings name.

        Raises:
            BundleError: none of them may run.
        """
        with self._lock:
            self._sweep()
            notes: list[str] = []
            if shipped is not None:
                self._know(name, shipped)
            before = self._states.load(name)
            after = steps.start(before)
            if after != before and not self._save_at_start(after, notes):
                after = replace(after, trial=None)  # a start that is not counted is none of trial
            state, trial = self._resume(after, notes)
            if state.outcome != before.outcome and state.outcome is not None:
                notes.append(f"{state.outcome.release.label}: {state.outcome.reason}")
            bundle = first_fit(state, self._store, shipped, self_test=self._self_test, notes=notes)
            return Boot(bundle, trial, tuple(notes))

    def fetch(
        self,
        name: str,
        version: str | None = None,
        *,
        again: bool = False,
        tell: Callable[[Step], None] = _nobody_asks,
    ) -> Release | None:
        """Brings a release into the store, verified and self-tested, ready for its trial.

        Args:
            name: the bundle's name.
            version: the version that was hinted at; by default the newest that is signed.
            again: whether a release that was rolled back here may be tried again.
            tell: is told how far it is.

        Returns:
            What waits for its trial now, or `None` where the board is up to date.

        Raises:
            BundleError: the metadata or the release must not be trusted or not be installed here.
            InputError: a trial runs, there is no such release, or the disk is full.
            Unavailable: the repository cannot be reached; a later attempt goes on from there.
        """
        with self._fetching:
            state = self._states.load(name)
            if state.trial is not None:
                steps.stage(state, state.trial.release)  # says that one has to wait
            tell(Step("refreshing"))
            offers = self._repository.refresh()
            offer = choose(
                name,
                offers,
                wanted=version,
                installed=state.current or self._shipped.get(name),
                refused=None if again else state.refused,
            )
            if offer is None:
                self._repair(state, offers, tell)
                return None
            if state.staged == offer.release and self._is_whole(offer.release):
                return offer.release
            bundle = self._bring(offer, tell)
            tell(Step("testing", offer.release, offer.size_bytes, offer.size_bytes))
            self._examine(bundle, offer.release)
            with self._changing(name) as current:
                self._states.save(steps.stage(current, offer.release))
            return offer.release

    def begin_trial(self, name: str) -> Candidate:
        """Puts what was fetched on trial; the running bundle stays what a start falls back to.

        Raises:
            InputError: nothing was fetched, or the disk is full.
            BundleError: it is damaged.
        """
        with self._changing(name) as state:
            trying = steps.begin_trial(
                state, max_restarts=self._limits.max_restarts, allowed_s=self._limits.allowed_s
            )
            assert trying.trial is not None
            bundle = self._store.open(trying.trial.release.sha256)
            self._states.save(trying)
            return Candidate(trying.trial.release, bundle, trying.trial.allowed_s)

    def commit(self, name: str) -> Release:
        """Makes the release on trial current: when this returns, it outlives a power cut.

        Raises:
            InputError: nothing is on trial, or the disk is full: the trial goes on.
            BundleError: its files are damaged: it was rolled back.
        """
        with self._changing(name) as state:
            committed = steps.commit(state)
            assert committed.current is not None
            try:
                self._store.open(committed.current.sha256)
            except BundleError as error:
                self._states.save(steps.roll_back(state, str(error)))
                raise
            self._states.save(committed)
            return committed.current

    def roll_back(self, name: str, reason: str) -> Release:
        """Gives up what is staged or on trial, and remembers why; `current` stays.

        Returns:
            What was given up.

        Raises:
            InputError: nothing is staged or on trial, or the disk is full.
        """
        with self._changing(name) as state:
            release = state.candidate
            self._states.save(steps.roll_back(state, reason))
            assert release is not None
            return release

    def go_back(self, name: str, reason: str) -> Bundle | None:
        """Makes the bundle that this board had committed before current again.

        Returns:
            What is current now; `None` is the bundle that the settings name.

        Raises:
            InputError: there is none before, a trial runs, or the disk is full.
            BundleError: the one before does not pass its self-test here.
        """
        with self._changing(name) as state:
            back = steps.go_back(state, reason, to_settings=name in self._shipped)
            bundle = None
            if back.current is not None:
                bundle = self._store.open(back.current.sha256)
                self._self_test(bundle)
            self._states.save(back)
            return bundle

    def _bring(self, offer: Offer, tell: Callable[[Step], None]) -> Bundle:
        """A release in the store: it is there, or is downloaded and unpacked."""
        if self._is_whole(offer.release):
            return self._store.open(offer.release.sha256)
        total = offer.size_bytes
        self._store.make_room(
            offer.note.unpacked_bytes,
            in_use=self._states.in_use(),
            elsewhere_bytes=self._downloads.missing_bytes(offer),
        )

        def arrived(count: int) -> None:
            tell(Step("downloading", offer.release, count, total))

        archive = self._downloads.fetch(self._repository.source, offer, arrived=arrived)
        tell(Step("unpacking", offer.release, total, total))
        bundle = self._store.admit(archive, offer)
        tidy(lambda: self._downloads.forget(offer))
        return bundle

    def _examine(self, bundle: Bundle, release: Release) -> None:
        """Refuses, and remembers to refuse, what does not run on this board."""
        try:
            check_engines(bundle, self._engines)
            self._self_test(bundle)
        except EdgekitError as error:
            with self._changing(release.name) as state:
                if state.trial is None:
                    given_up = steps.roll_back(steps.stage(state, release), str(error))
                    self._states.save(given_up)
            raise

    def _repair(
        self, state: SlotState, offers: tuple[Offer, ...], tell: Callable[[Step], None]
    ) -> None:
        """Fetches what was committed again, where the disk has damaged it since."""
        if state.current is None or self._is_whole(state.current):
            return
        for offer in offers:
            if offer.release == state.current:
                _log.warning("%s is damaged on the disk: fetching it again", offer.release.label)
                self._bring(offer, tell)

    def _is_whole(self, release: Release) -> bool:
        if not self._store.holds(release.sha256):
            return False
        try:
            self._store.open(release.sha256)
        except BundleError:
            return False
        return True

    def _resume(self, state: SlotState, notes: list[str]) -> tuple[SlotState, Candidate | None]:
        """The trial that goes on after a start, if it still may."""
        if state.trial is None:
            return state, None
        release = state.trial.release
        try:
            bundle = self._store.open(release.sha256)
            self._self_test(bundle)
        except EdgekitError as error:
            given_up = steps.roll_back(state, str(error))
            self._save_at_start(given_up, notes)
            return given_up, None
        return state, Candidate(release, bundle, state.trial.allowed_s)

    def _save_at_start(self, state: SlotState, notes: list[str]) -> bool:
        """Whether the state could be saved: a full disk does not keep a board from starting."""
        try:
            with disk_errors(self._folder):
                self._states.save(state)
        except InputError as error:
            notes.append(f"the state of updates could not be kept: {error}")
            return False
        return True

    def _know(self, name: str, shipped: Path) -> None:
        try:
            manifest = open_bundle(shipped).manifest
        except (BundleError, OSError):
            return  # `first_fit` says so, if it comes to it
        self._shipped[name] = Release(name=name, version=manifest.version, sha256=UNKNOWN)

    def _sweep(self) -> None:
        if self._fetching.acquire(blocking=False):
            try:
                tidy(self._store.sweep)
            finally:
                self._fetching.release()

    @contextmanager
    def _changing(self, name: str) -> Iterator[SlotState]:
        """The state of a name, for one step that saves it."""
        with self._lock, disk_errors(self._folder):
            yield self._states.load(name)
