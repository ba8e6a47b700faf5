"""The main job, a preset of all measurements: the parts of its run, and its record."""

import math
from dataclasses import replace
from typing import Any

from loadtest.contestants.contestants import CLASSIC, COMBINED, WORKLOADS, Kind
from loadtest.engine.measurement import Verb
from loadtest.engine.run import Part
from loadtest.verbs.crash import catalogue
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crash.plan import SESSIONS, CrashSettings, columns
from loadtest.verbs.crowd.clients import CrowdSettings
from loadtest.verbs.crowd.measure import CROWD
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.verb import LOAD
from loadtest.verbs.memory.clients import PlateauSettings
from loadtest.verbs.memory.verb import PLATEAUS
from loadtest.verbs.tour import report, words

CONTESTANTS = tuple(model for model in CLASSIC if model.name != "fork-per-connection")
EVERY_MODEL = (*CONTESTANTS, *COMBINED)
SATURATING = tuple(workload for workload in WORKLOADS if workload.name in ("plaintext", "cpu"))
# Requests a second, for the same work from everybody: below what the slowest model answers. At unequal load the busier
# server looks cheaper, because it batches.
EQUAL_RATE = 1000.0
ROUNDS = 9  # that tell five models from each other: ten comparisons, by signed ranks and Holm's correction
ROUNDS_OF_ALL = 11  # that tell eight: 28 comparisons
# Of them one in three has a handler's work and the ballasts: the models differ little there, the ballasts by multiples,
# and the time is better spent where five models are told apart. Without an interval a figure is indicative.
SELDOM = 3

FAULTS = ("segv", "spin", "stack-overflow")
SUPERVISED = FAULTS[:1]  # once more under a parent, where a model has none

BALLASTED = "fork-per-request"
BALLASTS = (0, 64, 512)  # MiB; to the first the others are compared

# By measurement, what makes its steps short: for the question whether they all work.
SMOKE: dict[str, dict[str, Any]] = {
    "plateaus": {"sleep": 500},
    "crowd": {"seconds": 0.7},
    "crash": {"fault_at": 0.4, "end": 1.0},
}


def parts(saturating: Settings) -> list[Part]:
    """`saturating` has what can be chosen. All that is measured once is in the first round, behind its loads."""
    full = replace(saturating, workloads=SATURATING[:1])
    seldom = replace(saturating, rounds=math.ceil(saturating.rounds / SELDOM))
    loads = [replace(full, rates=(EQUAL_RATE,), closed=False), full, replace(seldom, workloads=SATURATING[1:])]
    for one in [one for one in saturating.contestants if one.name == BALLASTED]:
        heavy = [
            replace(one, name=f"{one.name} +{mib} MiB", ballast=mib, kind=Kind.variant, model=one.name)
            for mib in BALLASTS
        ]
        loads.append(replace(seldom, workloads=SATURATING[:1], contestants=tuple(heavy)))
    once: dict[str, Any] = {name: getattr(saturating, name) for name in ("contestants", "cpus", "pace", "runner")}
    connections = saturating.connections[0]
    workers = connections + 2  # of a pool: one for each connection, one for newcomers and one for /stats
    faults = tuple(map(catalogue.select, FAULTS))
    harmed: dict[str, Any] = {**once, "contestants": columns(saturating.contestants)}
    crash = CrashSettings(**harmed, faults=faults, supervised=SUPERVISED, sessions=SESSIONS)
    return [
        *(Part("load", settings) for settings in loads),
        Part("plateaus", PlateauSettings(**once, connections=connections)),
        Part("crowd", CrowdSettings(**once, workers=workers)),
        Part("crash", replace(crash, workers=max(crash.workers, workers))),
    ]


def smoke(whole: list[Part]) -> list[Part]:
    """The same steps, but short; and of the faults the first alone."""
    short = [replace(part, settings=replace(part.settings, **SMOKE.get(part.measurement, {}))) for part in whole]
    *others, crash = short
    return [*others, replace(crash, settings=replace(crash.settings, faults=crash.settings.faults[:1]))]


TOUR = Verb(
    "tour",
    (LOAD, PLATEAUS, CROWD, CRASH),
    report.sections,
    report.head,
    targets=("quartet-programs",),  # README shows them by hand
    words=words.words,
    title="Which concurrency model, and why?",
    first=words.first,
)
