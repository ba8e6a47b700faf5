"""Runs of the verbs as they would be left in a folder, with numbers that are easy to follow."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from conftest import BINARIES

from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles, quantiles
from loadtest.contestants import peers
from loadtest.contestants.contestants import WORKLOADS, Contestant, Kind, described, select
from loadtest.engine.run import Environment, Part, Run
from loadtest.places.launch import Local
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.memory import Memory
from loadtest.system.procfs import Switches
from loadtest.verbs.crash.catalogue import Expectation, Fault
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.plan import steps as crash_steps
from loadtest.verbs.crash.results import Crash, CrashStep, Known, Others, Processes, Recovery, Verdict
from loadtest.verbs.crowd.clients import CrowdStep
from loadtest.verbs.crowd.measure import Crowd
from loadtest.verbs.load import plan as trials
from loadtest.verbs.load.plan import Settings, TrialStep
from loadtest.verbs.load.results import Trial
from loadtest.verbs.memory.clients import PlateauResult, PlateauStep
from loadtest.verbs.schedulers import plan as scheduler_plan
from loadtest.verbs.schedulers.calibration import Calibration, Probe
from loadtest.verbs.schedulers.plan import SchedulerSettings, SchedulerStep
from loadtest.verbs.schedulers.results import Scheduled
from loadtest.verbs.tour import plan as tour_plan

# With the facts that the release build's servers tell.
DESCRIBE = cache(Local(BINARIES, Path(os.devnull)).describe)
EVERYBODY = described(peers.EVERYBODY, DESCRIBE)
MODELS = tuple(one for one in EVERYBODY if one.kind == Kind.model)
BY_NAME = {one.name: one for one in EVERYBODY}

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
TEN_NEWCOMERS = Newcomers({"ok": 10}, Quantiles(10, *[1000.0] * 6))  # microseconds


def memory(processes: int, mebibytes: int) -> Memory:
    size = mebibytes << 20
    return Memory(processes, size, size // 2, (processes * 2) << 20, processes << 15, anonymous=size // 4)


TRIED = select(("threads", "epoll", "bare-epoll", "nginx", "h2o"), EVERYBODY)
# requests a second in the first round; each round has 1 % more, and every second one 1 % more again for the odd names
TRIED_RATES = {"threads": 50_000, "epoll": 80_000, "bare-epoll": 100_000, "nginx": 64_000, "h2o": 40_000}


def settings(contestants: tuple[Contestant, ...] = TRIED, rounds: int = 8, **changes) -> trials.Settings:
    workloads = (WORKLOADS[0],)
    return trials.Settings(contestants, workloads, {1: CpuSets((1,), (0,))}, rounds=rounds, duration=1, **changes)


def histogram(times: Quantiles) -> dict[int, int]:
    """Of a thousand requests, as the quantiles say."""
    shares = {times.p50: 500, times.p90: 400, times.p99: 90, times.p999: 9, times.max: 1}
    return {round(1000 * time): sum(n for other, n in shares.items() if other == time) for time in shares}


def trial(cell: trials.Cell, number: int = 1, requests: int = 1000, **changes) -> Trial:
    """One second, all of it the window, in which the server used its whole CPU, and its 16 clients waited all the
    time."""
    mean = 16 / requests * 1e6
    times = Quantiles(requests, mean, p50=mean, p90=2 * mean, p99=3 * mean, p999=4 * mean, max=5 * mean)
    side = ClientSide("wrk", 1.0, requests, requests, 150 * requests, {}, times, cpu_seconds=0.5, connections=16)
    side.latencies = histogram(times)
    found = Trial(
        step=TrialStep(number, cell, number == 1),
        server_command="quartet-sample",
        client=side,
        server_cpu_seconds=0.99,
        window_seconds=1.0,
        system_share=0.75,
        switches=Switches(2 * requests, requests // 10),
        system_calls=3.0,
        system_calls_problem="",
        clients_served=16,
        newcomers=TEN_NEWCOMERS,
        memory=Memory(processes=1, pss=3 << 20, private=1 << 20, rss=5 << 20, page_tables=64 << 10),
        disturbance=Disturbance(0, 0, 0),
    )
    return replace(found, **changes)


def part_of_trials(chosen: trials.Settings | None = None) -> Part:
    """Every step of the settings has its trial."""
    chosen = chosen or settings()
    found = [
        trial(step.cell, step.round, requests=int(TRIED_RATES[step.cell.contestant] * 1.01**step.round))
        for step in trials.steps(chosen)
    ]
    return Part("load", chosen, found)


def run(*parts: Part, verb: str = "throughput", **changes) -> Run:
    return replace(Run(verb, ENVIRONMENT, list(parts), state="complete", seconds=60.0), **changes)


def trial_run(chosen: trials.Settings | None = None, verb: str = "throughput", **changes) -> Run:
    return run(part_of_trials(chosen), verb=verb, **changes)


# --- the main job

TOUR = Settings(
    described(tour_plan.CONTESTANTS, DESCRIBE),
    tour_plan.SATURATING,
    {1: CpuSets((1,), (0,))},
    rounds=tour_plan.ROUNDS,
    duration=1,
    counts_system_calls=False,
)
# requests a second, on /plaintext
RATES = {"fork-per-request": 4_000, "prefork": 50_000, "threads": 60_000, "coroutines": 80_000, "epoll": 80_500}


def tour_trial(step: TrialStep) -> Trial:
    """Every second of the rounds is a little faster, for everybody."""
    name, number = step.contestant, step.round
    if step.cell.rate is not None:
        price = {"fork-per-request": 300, "prefork": 49, "threads": 47}.get(name, 42)  # microseconds
        found = trial(step.cell, number, 1000, server_cpu_seconds=(price + number / 10) * 1010 / 1e6)
        asked = replace(found.client, asked=1000, in_time=1000, cpu_seconds=0.1)
        return replace(found, step=step, client=asked)
    if step.cell.workload == "cpu":
        return replace(trial(step.cell, number, 640 + number), step=step)
    rate = RATES.get(name) or 4000 // (int(name.split("+")[1].split()[0]) or 1)
    return replace(trial(step.cell, number, rate + number % 2 * rate // 100 + number), step=step)


# --- faults, as they come out where everything is as expected

ISOLATED, SHARED = ("fork-per-request", "prefork"), ("threads", "coroutines", "epoll")
CLIENT_ONLY = Expectation(ISOLATED, ("connection none",), "The process that dies serves one client.")
ALL_DIE = Expectation(SHARED, ("server lost",), "There is one process, and the signal ends all of it.")
SEGV = Fault("segv", "segv", "handler", "Writes to a null pointer", ("/fault/segv",), expected=(CLIENT_ONLY, ALL_DIE))
OVERFLOW = replace(SEGV, name="stack-overflow", id="stack-overflow", title="The stack is full")
SPIN = Fault(
    "spin",
    "spin",
    "handler",
    "Burns CPU",
    ("/fault/spin",),
    expected=(
        replace(CLIENT_ONLY, models=(*ISOLATED, "threads"), because="Others have workers of their own."),
        Expectation(("coroutines", "epoll"), ("server starved",), "A loop that does not return serves nobody."),
    ),
)
FAULTS = (SEGV, SPIN, OVERFLOW)


def crash(step: CrashStep, fault: Fault, seen: str = "", **changes) -> Crash:
    """With the verdict of the catalogue, or another one. The fault comes at 0.4 s; a keeper is back 0.05 s later."""
    model = fault.expectation(step.contestant, step.sanitizer)
    expectation = None if step.keeper else model
    verdict = Verdict(*(seen or (model.verdicts[0] if model else "nobody none")).split())
    harmed, lost = verdict.harm != "none", verdict.harm == "lost"
    stays = None if harmed and not step.keeper else 0.05 if harmed else 0.0
    letter = verdict.harm[0].upper() if harmed else "."
    found = Crash(
        step=step,
        server_command="quartet-sample --enable-faults",
        fault_at=0.4,
        faulty=["EOF before response" if lost or not harmed else "never answered"],
        verdict=verdict,
        expected=list(expectation.verdicts) if expectation else [],
        others=Others(
            asked=180,
            in_hand=2,
            in_hand_lost=2 if harmed else 0,
            harmed=({"EOF before response": 2, "refused": 176} if lost else {"never answered": 178}) if harmed else {},
            newcomers=16,
            newcomers_harmed=16 if harmed else 0,
            connections=8,
            connections_kept=0 if harmed else 8,
        ),
        recovery=Recovery(None if stays is None else stays + 0.01, stays, step.keeper),
        strip="." * 8 + (letter * (1 if step.keeper else 16)).ljust(16, "."),
        known=Known({"running": 1, "sleeping": 2, "idle": 5}, [f"POST {target}" for target in fault.requests]),
        processes=Processes(1, 0 if lost else 1, 1 if step.keeper else 0, -11 if lost and stays is None else None),
    )
    return replace(found, **changes)


def crash_settings(faults: tuple[Fault, ...] = FAULTS, **changes) -> CrashSettings:
    return CrashSettings(TOUR.contestants, CpuSets((1,), (0,)), faults, **changes)


def part_of_crashes(chosen: CrashSettings) -> Part:
    """Every step of the settings has its result, as expected."""
    return Part("crash", chosen, [crash(step, chosen.fault(step.fault)) for step in crash_steps(chosen)])


def plateau(name: str, at_start: Memory, busy: Memory, idle: Memory) -> PlateauResult:
    step = PlateauStep(name)
    return PlateauResult(
        step=step, server_command="quartet-sample", client_commands=[], at_start=at_start, busy=busy, idle=idle
    )


def tour(chosen: Settings = TOUR, **changes) -> Run:
    """All that it measures, of everybody."""
    *loads, plateaus, crowds, crashes = tour_plan.parts(chosen)
    for part in loads:
        part.results += [tour_trial(step) for step in trials.steps(part.settings)]
    for one in chosen.contestants:
        plateaus.results.append(plateau(one.name, memory(1, 2), memory(33, 4), memory(17, 3)))
    newcomers = Newcomers({"ok": 4, "timed out": 1}, Quantiles(4, *[2000.0] * 6))
    crowds.results += [
        Crowd(
            step=CrowdStep("threads", rotation),
            server_command="quartet-threads",
            workers=18,
            clients_served=18,
            newcomers=newcomers,
        )
        for rotation in (None, 5)
    ]
    crashes.settings = replace(crashes.settings, faults=FAULTS, supervised=("segv",))
    crashes.results += part_of_crashes(crashes.settings).results
    return run(*loads, plateaus, crowds, crashes, verb="tour", **changes)


# --- policies

SCHEDULERS = SchedulerSettings(described(scheduler_plan.CONTESTANTS, DESCRIBE), CpuSets((1,), (0,)), turn=100)
CALIBRATED = Calibration(Probe(10, 2_000, 0.4), Probe(600, 100, 0.908))  # 60 us and 14 us a unit
# milliseconds that 70, 28 and 2 % of the requests took, the short ones and the long ones
INTERRUPTED, TO_THE_END = ((0.3, 1.0, 2.0), (12.0, 60.0, 200.0)), ((2.0, 22.0, 60.0), (12.0, 35.0, 80.0))
POLICIES = {
    **{name: TO_THE_END for name in ("fibers-fifo", "epoll", "threads-fifo", "threads-rr")},
    "fibers-lifo": INTERRUPTED,
    "fibers-mlfq": ((0.4, 1.2, 2.5), (12.0, 50.0, 120.0)),
    "fibers-edf": ((0.35, 1.0, 2.0), (12.0, 40.0, 90.0)),
    "threads-other": ((0.5, 2.0, 6.0), (12.0, 50.0, 120.0)),
}


def scheduled(step: SchedulerStep, chosen: SchedulerSettings = SCHEDULERS, **changes) -> Scheduled:
    """A calibration, or a load that was answered whole. Each round is a little slower than the one before."""
    mix = chosen.mix(CALIBRATED)
    found = Scheduled(
        step=step,
        server_command=f"quartet-sample {step.contestant}",
        calibration=CALIBRATED,
        mix=mix,
        disturbance=Disturbance(0, 0, 0),
    )
    if not step.calibrates:
        counts = [round(one.rate * chosen.duration) for one in (mix.short, mix.long)]
        times = POLICIES[step.contestant]
        found.short, found.long = (_asked(*one, step.round) for one in zip(counts, times, strict=True))
        found.server_cpu_seconds = chosen.load * chosen.duration
    return replace(found, **changes)


def _asked(count: int, milliseconds: tuple[float, ...], number: int) -> ClientSide:
    """They wait for nothing but the server."""
    slow, middle = round(0.02 * count), round(0.28 * count)
    nanoseconds = [round(1e6 * time * (1 + number / 1000)) for time in milliseconds]
    found = dict(zip(nanoseconds, (count - slow - middle, middle, slow), strict=True))
    side = ClientSide("quartet-pace", 4.0, count, count, 0, {}, quantiles(found), cpu_seconds=0.5, connections=128)
    side.service, side.latencies, side.lateness = side.latency, found, {10_000: count}
    side.asked = side.in_time = count
    return side


def part_of_policies(chosen: SchedulerSettings = SCHEDULERS) -> Part:
    return Part("schedulers", chosen, [scheduled(step, chosen) for step in scheduler_plan.steps(chosen)])


def policies(chosen: SchedulerSettings = SCHEDULERS, **changes) -> Run:
    return run(part_of_policies(chosen), verb="schedulers", **changes)
