"""What is asked for: a script, played once for each contestant, by a server of its own. Times are in seconds from the
start of the load's schedule."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from loadtest.contestants.contestants import Contestant
from loadtest.verbs.crash.catalogue import Limits
from loadtest.verbs.crash.plan import CrashSettings, WatchSettings
from loadtest.verbs.crash.results import PARENT
from loadtest.verbs.crash.script.results import PlayStep
from loadtest.verbs.crash.script.schedule import Blow, Script

NEWCOMERS = 9  # that a pool has a worker for, at a time


@dataclass(frozen=True)
class PlaySettings(WatchSettings):
    script: Script
    supervised: bool = False  # under a given parent, where there is none

    @property
    def duration(self) -> float:
        return self.script.end + self.grace

    @property
    def loads(self) -> list[str]:
        """What could be spoiled by one of the faults."""
        return list(dict.fromkeys(blow.fault.load for blow in self.script.blows))

    @property
    def load_clients(self) -> int:
        """As many for /sleep as for each of the others."""
        return self.clients // 2 * (1 + len(self.loads))

    @property
    def limits(self) -> Limits:
        """Of all faults, the tightest."""
        limits = [blow.fault.limits for blow in self.script.blows]
        spaces = [one.address_space_mib for one in limits if one.address_space_mib]
        descriptors = [one.descriptors for one in limits if one.descriptors]
        return Limits(min(spaces, default=None), min(descriptors, default=None))

    def inapplicable(self, contestant: str) -> Blow | None:
        """What cannot happen to it."""
        return next((blow for blow in self.script.blows if not blow.fault.applies_to(contestant)), None)

    @property
    def played(self) -> list[Contestant]:
        return [one for one in self.contestants if self.inapplicable(one.name) is None]

    def expected(self, step: PlayStep, index: int) -> tuple[str, ...]:
        """Verdicts of that fault, any of which is as it should be. Nobody says what an earlier fault has changed, nor
        what a given parent does."""
        return () if index or step.keeper else self.script.blows[index].fault.verdicts(step.contestant)


def steps(settings: PlaySettings) -> Iterator[PlayStep]:
    for repeat in range(1, settings.repeats + 1):
        for one in settings.played:
            yield PlayStep(one.name, PARENT if settings.supervised and not one.known.has_parent else "", repeat)


def settings_of(script: Script, **more: Any) -> PlaySettings:
    """With clients in proportion to the highest rate, as in CrashSettings, or those who wait for /sleep would be asked
    again before they are answered; and with workers of a pool for them, for the faulty ones and for newcomers."""
    peak = max(load.rate for load in script.loads)
    clients = CrashSettings.clients * math.ceil(peak / CrashSettings.rate)
    settings = PlaySettings(script=script, clients=clients, **more)
    faulty = sum(len(blow.fault.requests) for blow in script.blows)
    return replace(settings, workers=settings.load_clients + faulty + NEWCOMERS)
