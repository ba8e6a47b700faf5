"""What the main job measures: the parts of its run. Nothing here starts, reads or waits for anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from loadtest.contestants.contestants import MODELS, Contestant, Kind
from loadtest.contestants.workloads import WORKLOADS
from loadtest.engine.run import Part
from loadtest.system.cpu_sets import CpuSets
from loadtest.verbs.crash import plan as crash_plan
from loadtest.verbs.crowd import plan as crowd_plan
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.memory.plan import PlateauSettings

CONTESTANTS = tuple(model for model in MODELS if model.name != "fork-per-connection")
SATURATING = tuple(workload for workload in WORKLOADS if workload.name in ("plaintext", "cpu"))
# Its throughput is connections / delay in every model, and CPU time per request hardly varies.
DELAYED = tuple(workload for workload in WORKLOADS if workload.name == "sleep")
ROUNDS = 9  # that tell five models from each other: ten comparisons, by signed ranks and Holm's correction
SPARSE = 3  # every so many rounds there is one of what need not be ranked: the delay, and the ballast

BALLASTED = "fork-per-request"
BALLASTS = (64, 512)  # MiB


@dataclass(frozen=True)
class Tour:
    """What can be chosen of it."""

    contestants: tuple[Contestant, ...]
    cpus: CpuSets
    rounds: int = ROUNDS
    duration: int = 1  # seconds of each load; wrk takes no fractions
    connections: int = 16
    runner: str = "local"
    pace: str = "quartet-pace"

    @property
    def workers(self) -> int:
        """Of a pool: one for each connection, one for newcomers and one for /stats."""
        return self.connections + 2


def parts(tour: Tour) -> list[Part]:
    """All that is measured once is in the first round, behind its loads."""
    common: dict[str, Any] = {
        "contestants": tour.contestants,
        "cpus": tour.cpus,
        "runner": tour.runner,
        "pace": tour.pace,
    }
    return [
        *_loads(tour),
        Part("plateaus", PlateauSettings(**common, connections=tour.connections)),
        Part("crowd", crowd_plan.CrowdSettings(**common, workers=tour.workers)),
        Part("crash", crash_plan.CrashSettings(**common, workers=tour.workers)),
    ]


def _loads(tour: Tour) -> list[Part]:
    saturating = Settings(
        contestants=tour.contestants,
        workloads=SATURATING,
        budgets={len(tour.cpus.server): tour.cpus},
        connections=(tour.connections,),
        rounds=tour.rounds,
        duration=tour.duration,
        runner=tour.runner,
        pace=tour.pace,
        counts_system_calls=False,
    )
    sparse = replace(saturating, rounds=-(-tour.rounds // SPARSE))
    parts = [Part("load", saturating), Part("load", replace(sparse, workloads=DELAYED))]
    heavy = tuple(each for one in tour.contestants if one.name == BALLASTED for each in _with_ballast(one))
    if heavy:
        parts.append(Part("load", replace(sparse, workloads=SATURATING[:1], contestants=heavy)))
    return parts


def _with_ballast(contestant: Contestant) -> list[Contestant]:
    """Without any first: to that the others are compared."""
    heavy = [replace(contestant.with_ballast(ballast), kind=Kind.variant) for ballast in BALLASTS]
    return [contestant, *heavy]


def smoke(whole: list[Part]) -> list[Part]:
    """The same, short: for the question whether it all works."""
    *loads, plateaus, crowd, crash = whole
    return [
        *loads,
        replace(plateaus, settings=replace(plateaus.settings, sleep=500)),
        replace(crowd, settings=crowd_plan.smoke(crowd.settings)),
        replace(crash, settings=crash_plan.smoke(crash.settings)),
    ]
