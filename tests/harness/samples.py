"""Results as a run would leave them, with numbers that are easy to follow."""

from __future__ import annotations

from dataclasses import replace

from loadtest import plan
from loadtest.cpu_sets import CpuSets
from loadtest.results import (
    Attempt,
    CrashRun,
    CrowdRun,
    Disturbance,
    Environment,
    LoadRun,
    Memory,
    MemoryRun,
    Newcomers,
    Outcome,
    Results,
    Survivors,
)
from loadtest.wrk_result import Latency, WrkErrors, WrkResult

PLAN = plan.Plan(plan.CONTESTANTS, CpuSets((1,), (0,)))
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


def results(**changes) -> Results:
    names = [contestant.name for contestant in plan.CONTESTANTS]
    newcomers = Newcomers({Outcome.ok: 4, Outcome.timed_out: 1}, [0.002] * 4)
    found = Results(
        ENVIRONMENT,
        PLAN,
        loads(),
        [MemoryRun(name, "quartet-sample", 16, memory(1, 2), memory(33, 4), memory(17, 3)) for name in names],
        [CrowdRun("threads", "quartet-threads", 18, rotation, 64, 18, newcomers) for rotation in (None, 5)],
        [crash(name, name not in ("fork-per-request", "prefork")) for name in names],
        state="complete",
    )
    return replace(found, **changes)
