"""What the main job measures: the parts of its run. Nothing here starts, reads or waits for anything."""

from dataclasses import dataclass, replace
from typing import Any

from loadtest.contestants.contestants import MODELS, Contestant, Kind
from loadtest.contestants.workloads import WORKLOADS
from loadtest.engine.run import Part
from loadtest.system.cpu_sets import CpuSets
from loadtest.verbs.crash.clients import CrashSettings
from loadtest.verbs.crowd.clients import CrowdSettings
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.memory.clients import PlateauSettings

CONTESTANTS = tuple(model for model in MODELS if model.name != "fork-per-connection")
SATURATING = tuple(workload for workload in WORKLOADS if workload.name in ("plaintext", "cpu"))
# Its throughput is connections / delay in every model, and CPU time per request hardly varies.
DELAYED = tuple(workload for workload in WORKLOADS if workload.name == "sleep")
ROUNDS = 9  # that tell five models from each other: ten comparisons, by signed ranks and Holm's correction
SPARSE = 3  # every so many rounds there is one of what need not be ranked: the delay, and the ballast

BALLASTED = "fork-per-request"
BALLASTS = (64, 512)  # MiB

# By measurement, what makes its steps short: for the question whether they all work.
SMOKE: dict[str, dict[str, Any]] = {
    "plateaus": {"sleep": 500},
    "crowd": {"seconds": 0.7},
    "crash": {"fault_at": 0.4, "end": 1.0},
}


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


def parts(tour: Tour) -> list[Part]:
    """All that is measured once is in the first round, behind its loads."""
    common: dict[str, Any] = {"contestants": tour.contestants, "runner": tour.runner, "pace": tour.pace}
    saturating = Settings(
        **common,
        workloads=SATURATING,
        budgets={len(tour.cpus.server): tour.cpus},
        connections=(tour.connections,),
        rounds=tour.rounds,
        duration=tour.duration,
        counts_system_calls=False,
    )
    sparse = replace(saturating, rounds=-(-tour.rounds // SPARSE))
    loads = [saturating, replace(sparse, workloads=DELAYED)]
    for one in [one for one in tour.contestants if one.name == BALLASTED]:
        heavy = [replace(one.with_ballast(ballast), kind=Kind.variant) for ballast in BALLASTS]
        # Without any first: to that the others are compared.
        loads.append(replace(sparse, workloads=SATURATING[:1], contestants=(one, *heavy)))
    once: dict[str, Any] = {**common, "cpus": tour.cpus}
    workers = tour.connections + 2  # of a pool: one for each connection, one for newcomers and one for /stats
    return [
        *(Part("load", settings) for settings in loads),
        Part("plateaus", PlateauSettings(**once, connections=tour.connections)),
        Part("crowd", CrowdSettings(**once, workers=workers)),
        Part("crash", CrashSettings(**once, workers=workers)),
    ]


def smoke(whole: list[Part]) -> list[Part]:
    """The same steps, but short."""
    return [replace(part, settings=replace(part.settings, **SMOKE.get(part.measurement, {}))) for part in whole]
