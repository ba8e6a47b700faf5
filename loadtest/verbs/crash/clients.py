"""The clients' side of a fault, by quartet-pace, which accounts for every request: a steady load, newcomers, and the
faulty client. It runs where the server can be reached and knows nothing of it but the address. Times are in seconds
from the schedule's start."""

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.clients import pace, wrk
from loadtest.clients.pace import Record, milliseconds
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Dialogue, Tell
from loadtest.verbs.crash import triggers
from loadtest.verbs.crash.plan import CrashSettings, WatchSettings
from loadtest.verbs.crash.results import CrashStep, Stored, Told

# Moments that the server's side is told of. Its processes are looked at twice before the fault and twice after it: who
# is there only once of a pair lives for one request. What it has in hand just before the fault is seen if in time.
EARLY, BEFORE, JUST, FAULT, AFTER, LATE = MOMENTS = ("early", "before", "just before", "fault", "after", "late")
MARGIN = 0.02  # seconds between the last two before the fault, and between the last one and the load's end
WRK_SECONDS, WRK_FAULT_AT = 2, 1.0  # it takes whole ones


@dataclass
class Observation:
    lanes: list[str]
    records: list[Record]
    started: float  # seconds since 1970
    problems: list[str]  # of quartet-pace itself
    cpu_seconds: float  # that it took
    stored: Stored


def crash(address: Address, settings: CrashSettings, step: CrashStep, tell: Tell) -> Observation:
    """Raises MeasurementError."""
    each = settings.rate_of(step) / 2
    due = {"waiting": each, "asking": each, "newcomer": 1 / settings.newcomers}
    least = {name: int(rate * settings.end) for name, rate in due.items()}
    return observe(load_command(address, settings, step), moments(settings), settings.duration, least, tell)


def observe(
    argv: Sequence[str], moments: Mapping[str, float], duration: float, least: Mapping[str, int], tell: Tell
) -> Observation:
    """Until the load has ended, which takes so many seconds. `least` is how many requests classes have at least. Raises
    MeasurementError."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "records"
        with Dialogue([*argv, "--records", str(path), "--announce"]) as load:
            load.hear(pace.PATIENCE)
            start = time.monotonic()
            for moment, seconds in moments.items():
                time.sleep(max(start + seconds - time.monotonic(), 0))
                if moment != JUST or time.monotonic() < start + seconds + MARGIN / 2:
                    tell(moment)
            finished = load.finish(duration + pace.PATIENCE)
        found = pace.summary(finished)
        started, records = pace.read_records(path)
    lanes = [lane["name"] for lane in found["lanes"]]
    refuse_gaps(records, found["lanes"], least)
    stored = Stored(*(pace.fates(found["state"][what]) for what in ("sessions", "counters")))
    return Observation(lanes, records, started, found["problems"], finished.cpu_seconds, stored)


def beside_wrk(address: Address, settings: CrashSettings, step: CrashStep, tell: Tell) -> Told:
    """The same fault amid a load by wrk. Raises MeasurementError."""
    load = wrk_load(settings, step)
    with Dialogue(wrk_fault_command(address, settings, step)) as fault:
        fault.hear(pace.PATIENCE)
        client = wrk.client_side(wrk.measure(wrk_command(address, settings, step), load), load)
    p99 = client.latency.p99 / 1000 if client.latency else None
    return Told(client.requests / client.seconds, p99, client.errors)


def wrk_load(settings: CrashSettings, step: CrashStep) -> wrk.WrkLoad:
    return wrk.WrkLoad(settings.fault(step.fault).load, settings.clients, WRK_SECONDS)


def wrk_command(address: Address, settings: CrashSettings, step: CrashStep) -> list[str]:
    return wrk.command(wrk_load(settings, step), settings.cpus.load, address)


def wrk_fault_command(address: Address, settings: CrashSettings, step: CrashStep) -> list[str]:
    """The faulty client alone."""
    injected = fault_arguments(settings, step, WRK_FAULT_AT)
    stay = ["--rate", "0", "-d", f"{WRK_SECONDS}s", "--timeout", "0ms", "--grace", "0ms"]
    return pace.command(settings.pace, address, settings.cpus.load, *stay, *injected, "--announce")


def moments(settings: CrashSettings) -> dict[str, float]:
    at, end = settings.fault_at, settings.end
    before = {EARLY: at / 4, BEFORE: at / 2, JUST: at - MARGIN}
    return {**before, FAULT: at, AFTER: (at + end) / 2, LATE: end - MARGIN}


def load_command(address: Address, settings: CrashSettings, step: CrashStep) -> list[str]:
    sessions = ["--sessions", str(settings.sessions)] if settings.sessions else []
    more = [*fault_arguments(settings, step, settings.fault_at), *sessions]
    loads = [settings.fault(step.fault).load]
    return watch_command(address, settings, loads, str(settings.rate_of(step)), settings.end, more)


def watch_command(
    address: Address, settings: WatchSettings, loads: Sequence[str], rate: str, end: float, more: Sequence[str]
) -> list[str]:
    """Half of the requests wait, the others ask for these loads. Nobody gives up: who has no answer at the end waits
    for ever."""
    names = ["asking" if index == 0 else f"asking-{index + 1}" for index in range(len(loads))]
    mix = ["--mix", f"waiting={len(loads)}:/sleep?ms={settings.wait}"]
    mix += [word for name, load in zip(names, loads) for word in ("--mix", f"{name}=1:{load}")]
    size = ["-c", str(settings.clients // 2), "--rate", rate, "-d", milliseconds(end)]
    patience = ["--timeout", "0ms", "--grace", milliseconds(settings.grace)]
    looks = ["--worker", "--same-body", "--newcomer", milliseconds(settings.newcomers)]
    late = ["--tolerance", milliseconds(settings.tolerance)]
    words = (*mix, *size, *patience, *looks, *late, *more)
    return pace.command(settings.pace, address, settings.cpus.load, *words)


def fault_arguments(settings: CrashSettings, step: CrashStep, moment: float) -> list[str]:
    """What the clients do to the server, so many seconds after the start; a fault from outside is not theirs."""
    fault, when = settings.fault(step.fault), milliseconds(moment)
    posted = [word for target in fault.requests for word in ("--fault", f"{when}:{target}")]
    return posted + triggers.of(fault).clients(settings, when)


def refuse_gaps(records: Sequence[Record], lanes: Sequence[dict[str, Any]], least: Mapping[str, int]) -> None:
    """Raises MeasurementError unless every request has one outcome, in the records as in the summary, and each class
    has all that its schedule had due."""
    for index, lane in enumerate(lanes):
        recorded = Counter(one.outcome for one in records if one.lane == index)
        if recorded != (counted := pace.outcomes(lane)):
            raise MeasurementError(f"quartet-pace's records hold {dict(recorded)}, and its summary {counted}")
    for index, lane in enumerate(lanes):
        asked, found = least.get(lane["name"], 0), sum(one.lane == index for one in records)
        if found < asked:
            raise MeasurementError(f"quartet-pace accounts for {found} of {asked} requests that were due")
