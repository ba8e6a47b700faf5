"""All measurements in one run, as data: which there are, what a preset asks of each, and what is left out here. Each
part belongs to a verb, which shows it."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from loadtest.contestants.contestants import CLASSIC, COMBINED, WORKLOADS, Contestant
from loadtest.engine import provision
from loadtest.engine.run import Part
from loadtest.system.cpus import CpuSets, split
from loadtest.verbs.crash import catalogue, triggers
from loadtest.verbs.crash.plan import COLUMNS, SESSIONS, CrashSettings, columns
from loadtest.verbs.load.plan import Gate, Settings
from loadtest.verbs.load.presets import ROUNDS_OF_ALL, YARDSTICK, YARDSTICK_RATES
from loadtest.verbs.memory import verb as memory_verb
from loadtest.verbs.memory.clients import LEVELS, IdleSettings
from loadtest.verbs.schedulers import kernel as scheduler_kernel
from loadtest.verbs.schedulers import plan as scheduler_plan
from loadtest.verbs.schedulers.plan import SchedulerSettings
from loadtest.verbs.sweep import plan as sweep_plan
from loadtest.verbs.sweep.plan import SweepSettings
from loadtest.verbs.tour import plan as tour
from loadtest.verbs.walk.verb import WalkSettings

PLAINTEXT = WORKLOADS[:1]
DOCKER = "docker"
SCHEDULERS = "schedulers"  # of --all alone, which has fibers
SCALED = 64  # connections at which server CPUs are added
OBJECTIVE = Gate("p99", 5.0)  # of the sweep


@dataclass(frozen=True)
class Preset:
    """How much is asked of each measurement. No cell is measured by two parts: one number stands for it."""

    name: str
    measures: tuple[str, ...]  # of MEASURED
    contestants: tuple[Contestant, ...]
    connections: tuple[int, ...]  # the first is what the answer speaks of; with one connection no server is busy
    rates: tuple[float, ...]  # likewise: one that every model can answer
    duration: int  # seconds of each load
    throughput_rounds: int
    latency_rounds: int
    levels: tuple[int, ...]  # idle connections
    memory_rounds: int
    faults: tuple[str, ...] = ()  # none given: all of the catalogue
    asan: bool = False


QUICK = Preset(
    "quick",
    ("throughput", "latency", "memory", "walk", "crash"),
    tour.CONTESTANTS,
    connections=(16, 1, 64),
    rates=(1_000.0, 5_000.0, 20_000.0),
    duration=1,
    throughput_rounds=6,  # the fewest that give intervals
    latency_rounds=9,  # which tell five models apart
    levels=(0, 100, 1_000),
    memory_rounds=1,
    faults=(
        *("segv", "throw", "spin", "block", "deadlock", "corrupt-shared-state", "fd-leak", "leak"),
        *("heap-overflow", "stack-overflow", "kill-worker", "slow-headers", "connection-flood"),
    ),
)
# Other numbers of connections and other rates than the yardstick's.
FULL = Preset(
    "full",
    ("throughput", "scaling", "latency", "memory", "walk", "crash", YARDSTICK, "sweep"),
    CLASSIC,
    connections=(SCALED, 1, 4, 256),
    rates=(1_000.0, 5_000.0, 10_000.0, 50_000.0),
    duration=2,
    throughput_rounds=10,  # which tell six models apart
    latency_rounds=10,
    levels=LEVELS,
    memory_rounds=3,
    asan=True,
)
PRESETS = {one.name: one for one in (QUICK, FULL)}


def with_every_model(preset: Preset) -> Preset:
    """--all: three models more, and the policies that one of them has. Where the rounds tell the models apart, as many
    as tell these: 28 comparisons in place of 10, or 36 of 15."""
    return replace(
        preset,
        measures=(*preset.measures, SCHEDULERS),
        contestants=(*preset.contestants, *COMBINED),
        throughput_rounds=_rounds_of_all(preset.throughput_rounds),
        latency_rounds=_rounds_of_all(preset.latency_rounds),
    )


def _rounds_of_all(usual: int) -> int:
    return ROUNDS_OF_ALL if usual >= tour.ROUNDS else usual


# Rounds that tell models from peers and bare servers. Short ones, so that all fits into an hour: there
# are three times as many contestants.
YARDSTICK_ROUNDS, YARDSTICK_DURATION = 10, 1

# By measurement, what makes its steps few and short: for the question whether they all work.
SMOKE: dict[str, dict[str, Any]] = {
    "load": {"rounds": 1, "duration": 1},
    "idle": {"rounds": 1, "levels": LEVELS[:2]},
    "sharing": {"requests": (0, 100)},
    "sweep": {"rounds": 1},
    SCHEDULERS: {"rounds": 1, "duration": scheduler_plan.LEAST_SECONDS},
    "crash": tour.SMOKE["crash"],
}


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for, and where."""

    preset: Preset
    contestants: tuple[Contestant, ...]  # of the preset's
    yardsticks: tuple[Contestant, ...]  # these, their bare servers and their peers, where the preset has them
    available: frozenset[int]  # CPUs
    runner: str
    pace: str  # where quartet-pace is
    rounds: int | None = None  # of loads, in place of the preset's
    builds: bool = True  # servers are built here
    in_image: bool = False  # servers are those of an image
    tries_machine: bool = True  # whether it lets us do all of it; a dry run does not ask

    @property
    def cpus(self) -> CpuSets:
        return split(self.available)

    @property
    def place(self) -> dict[str, Any]:
        return {"runner": self.runner, "pace": self.pace}

    def load(self, rounds: int, **more: Any) -> Settings:
        usual: dict[str, Any] = {
            "contestants": self.contestants,
            "budgets": {1: self.cpus},
            "rounds": self.rounds or rounds,
            "duration": self.preset.duration,
        }
        return Settings(workloads=PLAINTEXT, **{**usual, **self.place, **more})


Asked = Iterator[Part | str]  # a part to measure, or a sentence on what is left out


def throughput(wanted: Wanted) -> Asked:
    yield Part("load", wanted.load(wanted.preset.throughput_rounds, connections=wanted.preset.connections))


def scaling(wanted: Wanted) -> Asked:
    """With more server CPUs than one, as far as the load has as many of its own."""
    there = len(wanted.available)
    budgets = {count: split(wanted.available, count) for count in (2, 4, 8, 16, 32) if 2 * count <= there}
    if not budgets:
        yield f"scaling is left out: two CPUs for the server and two for its load take four, and there are {there} here"
        return
    yield Part("load", wanted.load(wanted.preset.throughput_rounds, connections=(SCALED,), budgets=budgets))


def latency(wanted: Wanted) -> Asked:
    yield Part("load", wanted.load(wanted.preset.latency_rounds, rates=wanted.preset.rates, closed=False))


def memory(wanted: Wanted) -> Asked:
    levels, rounds = wanted.preset.levels, wanted.preset.memory_rounds
    yield from memory_verb.parts(
        IdleSettings(wanted.contestants, wanted.cpus, levels=levels, rounds=rounds, **wanted.place)
    )


def walk(wanted: Wanted) -> Asked:
    if why := _why_no_walk(wanted):
        yield f"walk is left out: {why}"
        return
    yield Part("walk", WalkSettings(wanted.contestants, wanted.cpus))


def _why_no_walk(wanted: Wanted) -> str:
    """strace is tried where it is installed, or where nobody will install it any more."""
    if wanted.runner == DOCKER:
        return "strace does not look into containers"
    will_come = provision.ASKED in os.environ and not shutil.which("strace")
    return triggers.cannot_trace() if wanted.tries_machine and not will_come else ""


def crash(wanted: Wanted) -> Asked:
    chosen = [catalogue.find(name) for name in wanted.preset.faults] or catalogue.faults()
    refusal = triggers.refusal if wanted.tries_machine else triggers.misplaced
    refused = {one.name: why for one in chosen if (why := refusal(one, wanted.runner))}
    yield from (triggers.left_out(name, why) for name, why in refused.items())
    why_not = _why_no_asan(wanted)
    if wanted.preset.asan and why_not:
        yield f"AddressSanitizer is left out: {why_not}"
    yield Part(
        "crash",
        CrashSettings(
            _columns(wanted),
            wanted.cpus,
            faults=tuple(one for one in chosen if one.name not in refused),
            asan=wanted.preset.asan and not why_not,
            sessions=SESSIONS,
            **wanted.place,
        ),
    )


def _columns(wanted: Wanted) -> tuple[Contestant, ...]:
    """The chosen models; coroutines and fibers with two threads as well, where the preset has all pure ones."""
    if not {*CLASSIC} <= {*wanted.preset.contestants}:
        return columns(wanted.contestants)
    names = {one.name for one in wanted.contestants}
    return tuple(one for one in COLUMNS if (one.model or one.name) in names)


def _why_no_asan(wanted: Wanted) -> str:
    if wanted.in_image:
        return "the images hold no servers with it"
    return (
        "" if wanted.builds else "servers with it are built here, to compare them with the others, and --bin has them"
    )


def yardstick(wanted: Wanted) -> Asked:
    if wanted.in_image:
        yield "yardstick is left out: peers and bare servers are not in the images"
        return
    asked = {"contestants": wanted.yardsticks, "rates": YARDSTICK_RATES, "preset": YARDSTICK}
    yield Part("load", wanted.load(YARDSTICK_ROUNDS, duration=YARDSTICK_DURATION, **asked))


def sweep(wanted: Wanted) -> Asked:
    usual = {"duration": int(sweep_plan.DURATION.removesuffix("s")), "gates": (OBJECTIVE,), "client": "quartet-pace"}
    yield Part("sweep", sweep_plan.checked(SweepSettings(**vars(wanted.load(sweep_plan.ROUNDS, **usual)))))


def schedulers(wanted: Wanted) -> Asked:
    """Of the models that are chosen, each with its policies."""
    if wanted.cpus.shared:
        yield "schedulers is left out: server and clients take a CPU each"
        return
    models = {one.name for one in wanted.contestants}
    chosen = [one for one in scheduler_plan.CONTESTANTS if (one.model or one.name) in models]
    tried = [one.name for one in chosen] if wanted.tries_machine else []
    absent = scheduler_kernel.refusals(tried, wanted.runner)
    yield from (f"{name} is left out: {why}" for name, why in absent.items())
    yield Part(
        SCHEDULERS,
        SchedulerSettings(
            tuple(one for one in chosen if one.name not in absent),
            wanted.cpus,
            rounds=wanted.rounds or scheduler_plan.ROUNDS,
            absent=absent,
            turn=scheduler_kernel.turn(),
            **wanted.place,
        ),
    )


@dataclass(frozen=True)
class Measured:
    """One of the measurements of a run."""

    verb: str  # that shows it
    ask: Callable[[Wanted], Asked]


# In the order in which they are measured and shown. Parts of one verb next to each other are shown together.
MEASURED = {
    "throughput": Measured("throughput", throughput),
    "scaling": Measured("throughput", scaling),
    "latency": Measured("latency", latency),
    "memory": Measured("memory", memory),
    "walk": Measured("walk", walk),
    "crash": Measured("crash", crash),
    YARDSTICK: Measured("throughput", yardstick),
    "sweep": Measured("latency", sweep),
    SCHEDULERS: Measured(SCHEDULERS, schedulers),
}


def parts(wanted: Wanted) -> tuple[list[Part], list[str]]:
    """To measure; and what is left out, in sentences."""
    found, left_out = list[Part](), list[str]()
    for one in (MEASURED[name] for name in wanted.preset.measures):
        for asked in one.ask(wanted):
            if isinstance(asked, Part):
                found.append(replace(asked, verb=one.verb))
            else:
                left_out.append(asked)
    return found, left_out


def smoke(whole: list[Part]) -> list[Part]:
    """The same measurements, but few and short steps: of several loads, levels or faults the first."""
    return [replace(part, settings=_short(part.measurement, part.settings)) for part in whole]


def _short(measurement: str, settings: Any) -> Any:
    found = replace(settings, **SMOKE.get(measurement, {}))
    if isinstance(found, Settings):
        return replace(found, connections=found.connections[:1], rates=found.rates[:1])
    return replace(found, faults=found.faults[:1]) if isinstance(found, CrashSettings) else found
