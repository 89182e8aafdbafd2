"""The board's half of updates: what is signed, tried, kept, or rolled back.

The daemon calls one object, an `Updates`:

    updates = open_updates(settings.updates, state_directory)   # or Updates.open(...)

    boot = updates.boot("squeezenet", shipped=settings_bundle)  # at each start, for each name
    run(boot.bundle)                                            # verified and self-tested
    if boot.trial is not None:
        watch(boot.trial)                                       # a trial that a restart cut short

    release = updates.fetch("squeezenet", hinted_version)       # None: up to date
    candidate = updates.begin_trial("squeezenet")               # load candidate.bundle beside
    verdict = policy.judge(log.observations(elapsed_s))         # a CanaryPolicy and a CanaryLog
    updates.commit("squeezenet")                                # or
    updates.roll_back("squeezenet", verdict.reason)

    updates.go_back("squeezenet", "an operator wished it")      # the rollback command

Every call leaves the disk in a state that `boot` starts from, wherever power fails. A version that
comes over MQTT is a hint: `fetch` asks the signed repository, and only that decides.

Parts: `choosing`, `state` and `canary` decide and do no I/O; `sources` and `download` bring bytes;
`repository` and `trusted_time` say what to believe; `store` and `state_file` keep it; `files` is
all that they do to the disk.
"""

from edgekit.config.updates import CanaryTable, UpdateTable
from edgekit.update.answers import Boot, Candidate, Limits, Step
from edgekit.update.canary import CanaryLog, CanaryPolicy, Observations, Verdict
from edgekit.update.release import Release
from edgekit.update.settings import canary_policy, open_updates
from edgekit.update.state import Phase, SlotState
from edgekit.update.updates import Updates

__all__ = [
    "Boot",
    "CanaryLog",
    "CanaryPolicy",
    "CanaryTable",
    "Candidate",
    "Limits",
    "Observations",
    "Phase",
    "Release",
    "SlotState",
    "Step",
    "UpdateTable",
    "Updates",
    "Verdict",
    "canary_policy",
    "open_updates",
]
