"""TourResults as a run would leave them, with numbers that are easy to follow."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from conftest import BINARIES

from loadtest.clients.client_side import ClientSide, Quantiles
from loadtest.clients.outcomes import Newcomers, Outcome
from loadtest.clients.wrk_result import Latency, WrkErrors, WrkResult
from loadtest.contestants import roster
from loadtest.contestants.contestants import Contestant, Kind, described, select
from loadtest.contestants.workloads import WORKLOADS
from loadtest.engine.run import Environment
from loadtest.places.local import Local
from loadtest.system.cpu_sets import CpuSets
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import Memory
from loadtest.system.tree import Switches
from loadtest.verbs.load import plan as trials
from loadtest.verbs.load.results import Trial, TrialResults
from loadtest.verbs.tour import plan
from loadtest.verbs.tour.results import Attempt, CrashRun, CrowdRun, LoadRun, MemoryRun, Survivors, TourResults

# With the facts that the release build's servers tell.
DESCRIBE = cache(Local(BINARIES, Path(os.devnull)).describe)
EVERYBODY = described(roster.EVERYBODY, DESCRIBE)
MODELS = tuple(one for one in EVERYBODY if one.kind == Kind.model)
BY_NAME = {one.name: one for one in EVERYBODY}

PLAN = plan.Plan(described(plan.CONTESTANTS, DESCRIBE), CpuSets((1,), (0,)))
# requests a second, on /plaintext
RATES = {"fork-per-request": 4_000, "prefork": 50_000, "threads": 60_000, "coroutines": 80_000, "epoll": 80_500}

ENVIRONMENT = Environment(
    started="2024-01-01T12:00:00+00:00",
    cpu_model="Sample CPU",
    cpus=2,
    virtual=False,
    memory_bytes=8 << 30,
    kernel="6.1",
    system="Debian GNU/Linux 12",
    load_average=0.1,
    commit="abcdef",
    versions={"wrk": "4.1.0"},
    command="loadtest/run",
)


def load_run(
    contestant: str = "prefork", number: int = 1, cell: str = "plaintext", rate: int = 1000, **changes
) -> LoadRun:
    """One second in which the server used its whole CPU."""
    run = LoadRun(
        contestant=contestant,
        round=number,
        cell=cell,
        server_command="quartet-sample",
        wrk_command="wrk",
        wrk=WrkResult(rate, 1_000_000, WrkErrors(), Latency(200, 400, 900, 1000, 1500)),
        server_cpu_seconds=0.99,
        wrk_cpu_seconds=0.6,
        clients_asked=16,
        clients_served=16,
        newcomers=Newcomers({Outcome.ok: 10}, [0.001] * 10),
        disturbance=Disturbance(0, 0, 0),
    )
    return replace(run, **changes)


def loads(rounds: int = 6) -> list[LoadRun]:
    """Every second of the rounds is a little faster, for everybody."""
    runs = []
    for number in range(1, rounds + 1):
        for name, rate in RATES.items():
            quick = rate + number % 2 * rate // 100 + number
            runs.append(load_run(name, number, "plaintext", quick))
            runs.append(load_run(name, number, "cpu", 640 + number))
            runs.append(load_run(name, number, "sleep", 1500, server_cpu_seconds=0.06))
        for ballast in plan.BALLASTS:
            runs.append(load_run(f"{plan.BALLASTED} +{ballast} MiB", number, "plaintext", 4000 // ballast))
    return runs


def memory(processes: int, mebibytes: int) -> Memory:
    return Memory(processes, mebibytes << 20, mebibytes << 19, (processes * 2) << 20, processes << 15)


def crash(contestant: str, dies: bool) -> CrashRun:
    """Ten requests a second for two seconds; the fault at 1 s finds one of them in hand."""
    attempts = [Attempt(0, k / 10, k / 10 + 0.05, Outcome.ok) for k in range(20)]
    if dies:
        attempts[9:] = [Attempt(0, 0.9, 1.0, Outcome.eof)]
        attempts += [Attempt(0, k / 10, k / 10, Outcome.refused) for k in range(10, 20)]
    survivors = Survivors(1, 0, 0, 8, 0, -11) if dies else Survivors(19, 18, 1, 8, 8, None)
    return CrashRun(contestant, "quartet-sample --enable-faults", 1.0, 2.0, 10, Outcome.eof, attempts, survivors)


def results(**changes) -> TourResults:
    names = [contestant.name for contestant in plan.CONTESTANTS]
    newcomers = Newcomers({Outcome.ok: 4, Outcome.timed_out: 1}, [0.002] * 4)
    found = TourResults(
        "tour",
        ENVIRONMENT,
        PLAN,
        loads(),
        [MemoryRun(name, "quartet-sample", 16, memory(1, 2), memory(33, 4), memory(17, 3)) for name in names],
        [CrowdRun("threads", "quartet-threads", 18, rotation, 64, 18, newcomers) for rotation in (None, 5)],
        [crash(name, name not in ("fork-per-request", "prefork")) for name in names],
        state="complete",
    )
    return replace(found, **changes)


# --- the verbs

TRIED = select(("threads", "epoll", "bare-epoll", "nginx", "h2o"), EVERYBODY)
# requests a second in the first round; each round has 1 % more, and every second one 1 % more again for the odd names
TRIED_RATES = {"threads": 50_000, "epoll": 80_000, "bare-epoll": 100_000, "nginx": 64_000, "h2o": 40_000}


def settings(contestants: tuple[Contestant, ...] = TRIED, rounds: int = 8, **changes) -> trials.Settings:
    workloads = (WORKLOADS[0],)
    return trials.Settings(contestants, workloads, {1: CpuSets((1,), (0,))}, rounds=rounds, duration=1, **changes)


def trial(cell: trials.Cell, number: int = 1, requests: int = 1000, **changes) -> Trial:
    """One second in which the server used its whole CPU, and its 16 clients waited all the time."""
    mean = 16 / requests * 1e6
    times = Quantiles(requests, mean, p50=mean, p90=2 * mean, p99=3 * mean, p999=4 * mean, max=5 * mean)
    found = Trial(
        cell=cell,
        round=number,
        server_command="quartet-sample",
        client=ClientSide("wrk", 1.0, requests, requests, 150 * requests, {}, times, cpu_seconds=0.5, connections=16),
        server_cpu_seconds=0.99,
        system_share=0.75,
        switches=Switches(2 * requests, requests // 10),
        system_calls=3.0,
        system_calls_problem="",
        clients_served=16,
        newcomers=Newcomers({Outcome.ok: 10}, [0.001] * 10),
        memory=Memory(processes=1, pss=3 << 20, private=1 << 20, rss=5 << 20, page_tables=64 << 10),
        disturbance=Disturbance(0, 0, 0),
    )
    return replace(found, **changes)


def trial_results(chosen: trials.Settings | None = None, verb: str = "throughput", **changes) -> TrialResults:
    chosen = chosen or settings()
    found = [
        trial(step.cell, step.round, requests=int(TRIED_RATES[step.cell.contestant] * 1.01**step.round))
        for step in trials.steps(chosen)
    ]
    return TrialResults(verb, ENVIRONMENT, chosen, **{"trials": found, "state": "complete", "seconds": 60.0, **changes})
