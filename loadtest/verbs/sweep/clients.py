"""The clients' side of a rate sweep: a whole search, probe by probe, by quartet-pace. It runs where the server can be
reached."""

import time
from dataclasses import dataclass, replace

from loadtest.clients import pace
from loadtest.clients.client_side import ClientSide, Quantiles, quantiles
from loadtest.statistics.validity import DISTURBED
from loadtest.system import MeasurementError, cpus, processes, sockets
from loadtest.system.cpus import Disturbance
from loadtest.system.processes import Address, Tell
from loadtest.verbs.sweep import search
from loadtest.verbs.sweep.plan import Search, SweepSettings, SweepStep
from loadtest.verbs.sweep.search import Found, Verdict

PATIENCE = 2.0  # seconds for each answer
GRACE = 0.2  # seconds after a probe, for answers still due; at least so many limits:
GRACE_LIMITS = 4
COMPOSURE = 3.0  # seconds in which a server that was overloaded should have come to rest
CALM = 2  # times as long as without load, an answer may take then
QUEUE = 0.1  # of a probe, that the median takes when the server is overloaded by a fifth: no noise
LATE = 0.2  # of the limit, by which the client itself may be late at the objective's quantile


@dataclass
class Probe:
    """One rate, asked for once."""

    rate: float  # requests a second
    verdict: Verdict
    reason: str  # half a sentence: the quantile and what was lost, or what the client failed in
    milliseconds: float | None  # at the objective's quantile, of the answers; None: there were none
    answered: int  # well
    disturbance: Disturbance
    server_cpu_seconds: float | None = None  # the harness's side tells; None: not believable


@dataclass
class Sought:
    command: str  # of the first probe
    found: Found
    probes: list[Probe]


def seek(address: Address, settings: SweepSettings, step: Search, tell: Tell) -> Sought:
    """Tells before each probe and after it. What the first of these returns is taken for CPU seconds of the server;
    where it is none, nobody knows who else was on its CPU. Raises MeasurementError."""
    path = _path(settings, step.step)
    calm = max(settings.limit, CALM * _unloaded(address, path))
    commands: list[str] = []

    def ask(rate: float) -> Probe:
        argv = command(address, settings, step.step, rate, len(commands) + 1)
        _await_rest(address, path, calm)
        found, client = _probe(address, settings, step.step, rate, argv, tell)
        commands.append(client.command)
        return found

    found, probes = search.find(settings.offered, ask, step.near)
    return Sought(commands[0], found, probes)


def command(address: Address, settings: SweepSettings, step: SweepStep, rate: float, number: int) -> list[str]:
    """No two probes of a contestant have the same arrivals."""
    cell, seed = step.cell, (settings.seed * 1000 + step.round) * 1000 + number
    size = ["--rate", f"{rate:g}", "-c", str(cell.connections), "-d", f"{settings.seconds(rate)}s"]
    arrivals = ["--poisson", "--seed", str(seed), *([] if cell.keep_alive else ["--fresh"])]
    patience = ["--timeout", f"{PATIENCE:g}s", "--grace", pace.milliseconds(max(GRACE, GRACE_LIMITS * settings.limit))]
    return pace.command(
        *(settings.pace, address, settings.budgets[cell.cpus].load, _path(settings, step)),
        *(*size, *arrivals, *patience, *pace.LENIENT),
    )


def _path(settings: SweepSettings, step: SweepStep) -> str:
    return settings.workload(step.cell.workload).path


def _unloaded(address: Address, path: str) -> float:
    """Seconds that an answer takes without any load. Raises MeasurementError when it is not good: it would not be met
    at any rate, and for another reason than the load."""
    began = time.monotonic()
    status, _ = processes.get(address, path, PATIENCE) or (0, b"")
    if status != 200:
        what = f"answered with {status}" if status else f"not answered within {PATIENCE:g} s"
        raise MeasurementError(f"GET {path} was {what} before there was any load")
    return time.monotonic() - began


def _probe(
    address: Address, settings: SweepSettings, step: SweepStep, rate: float, argv: list[str], tell: Tell
) -> tuple[Probe, ClientSide]:
    ports, used, before = sockets.read(address.host), tell("before"), cpus.read()
    finished = pace.measure(argv, settings.seconds(rate))
    after, used_then = cpus.read(), tell("after")
    client = pace.client_side(finished)
    if problem := sockets.port_problem(ports, sockets.read(address.host), client.errors.get("connect", 0)):
        client.problems.append(problem)
    server = used_then - used if isinstance(used, float) and isinstance(used_then, float) else None
    disturbance = cpus.disturbance(before, after, settings.budgets[step.cell.cpus], server or 0.0, client.cpu_seconds)
    if server is None:
        disturbance = replace(disturbance, server_cpu=None)
    return judged(settings, rate, client, disturbance), client


def _await_rest(address: Address, path: str, calm: float) -> None:
    """Until a single client is answered in less than `calm` seconds, or not: then the probe will tell."""
    deadline = time.monotonic() + COMPOSURE
    while (began := time.monotonic()) < deadline:
        answer = processes.get(address, path, deadline - began)
        if answer and time.monotonic() - began < calm:
            return
        time.sleep(0.02)


def judged(settings: SweepSettings, rate: float, client: ClientSide, disturbance: Disturbance) -> Probe:
    """By the objective: met when its quantile is below the limit and every request was answered well. Pure."""
    milliseconds, failed = _milliseconds(client.latency, settings), _failed(settings, client)
    lost = ", ".join(f"{count:,} {kind}" for kind, count in client.errors.items())
    bound = "> " if client.latency and client.latency.is_bound(settings.objective.quantile) else ""
    seen = (
        f"{settings.objective_name} {bound}{milliseconds:.3g} ms"
        if milliseconds is not None
        else "nothing was answered"
    )
    reason = failed or ", ".join(filter(None, [seen, lost]))
    return Probe(rate, _verdict(settings, client, disturbance), reason, milliseconds, client.good, disturbance)


def _verdict(settings: SweepSettings, client: ClientSide, disturbance: Disturbance) -> Verdict:
    """Where the client failed, nobody knows whether the server would have, too."""
    limit, milliseconds = settings.objective.milliseconds, _milliseconds(client.latency, settings)
    unanswered = max(sum(client.errors.values()), client.censored)
    if _failed(settings, client):
        return Verdict.disturbed if disturbance.worst > DISTURBED else Verdict.client
    if milliseconds is not None and milliseconds < limit and not unanswered:
        return Verdict.met
    if disturbance.worst > DISTURBED:
        return Verdict.disturbed
    queue = QUEUE * settings.duration * 1e6
    far = client.latency is None or client.latency.p50 >= queue or unanswered > client.good
    return Verdict.overloaded if far else Verdict.missed


def _failed(settings: SweepSettings, client: ClientSide) -> str:
    """What the client itself failed in; mostly ""."""
    late = _milliseconds(quantiles(client.lateness), settings)
    if late is not None and late > LATE * settings.objective.milliseconds:
        client_late = f"quartet-pace itself was {late:.3g} ms late at {settings.objective_name}"
        return "; ".join([*client.problems, client_late])
    return "; ".join(client.problems)


def _milliseconds(latency: Quantiles | None, settings: SweepSettings) -> float | None:
    return None if latency is None else float(getattr(latency, settings.objective.quantile)) / 1000


def commands(address: Address, settings: SweepSettings, step: SweepStep) -> list[list[str]]:
    """One probe, for all: that of a rate in the middle, where the first search begins."""
    offered = settings.offered
    return [command(address, settings, step, offered[len(offered) // 2], 1)]
