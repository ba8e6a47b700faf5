"""When not to trust a trial, and when its throughput says nothing about the server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from loadtest.statistics import littles_law
from loadtest.statistics.validity import bottleneck
from loadtest.system.cpus import taken
from loadtest.verbs.load.metrics import server_share
from loadtest.verbs.load.plan import Settings
from loadtest.verbs.load.results import Trial


def problems(trial: Trial) -> list[str]:
    """Why it is invalid; mostly there is nothing."""
    client, found = trial.client, list(trial.client.problems)
    if client.requests == 0:
        return [*found, "no request was answered"]
    if client.errors:
        kinds = ", ".join(f"{count} {kind}" for kind, count in client.errors.items())
        found.append(f"the clients met errors: {kinds}")
    if trial.clients_served is not None and trial.clients_served < client.connections:
        found.append(f"only {trial.clients_served} of {client.connections} clients got a worker")
    if sentence := _little(trial):
        found.append(sentence)
    return found


def _little(trial: Trial) -> str:
    """Throughput and latency belong together, or one of them is wrong."""
    client = trial.client
    if client.latency is None:
        return ""
    rate = client.latency.count / client.seconds
    if trial.cell.rate is None:
        return _little_closed(trial, rate) if trial.cell.keep_alive else ""
    assert client.service is not None
    return littles_law.open_loop(
        trial.cell.connections,
        rate,
        client.service.mean / 1e6,
        client.latency.mean / 1e6,
        duration=client.seconds,
        longest=client.latency.max / 1e6,
    )


def _little_closed(trial: Trial, rate: float) -> str:
    client = trial.client
    assert client.latency is not None
    return littles_law.closed_loop(
        client.connections,
        rate,
        client.latency.mean / 1e6,
        duration=client.seconds,
        longest=client.latency.max / 1e6,
        client_share=min(1.0, client.cpu_seconds / client.seconds + _away(trial)),
    )


def _away(trial: Trial) -> float:
    """The share of the client's CPU that others had, at most."""
    steal, load_cpu = trial.disturbance.steal, trial.disturbance.load_cpu
    if steal is None or load_cpu is None:
        return 1.0
    return load_cpu + (trial.cell.cpus + 1) * steal  # as if all of it was the client's CPU


def unranked(trials: Sequence[Trial], settings: Settings) -> str:
    """Why their throughput says nothing about the server; "" when the server was the bottleneck."""
    budget = settings.budgets[trials[0].cell.cpus]
    return bottleneck(
        server_share=median(map(server_share, trials)),
        client_share=median(client_share(one, settings) for one in trials),
        shared_cpu=budget.shared,
        foreign=taken([one.disturbance for one in trials]),
    )


def client_share(trial: Trial, settings: Settings) -> float:
    """Of the CPUs that its threads can use, which may be fewer than there are for the load."""
    return trial.client.cpu_seconds / trial.client.seconds / settings.load_threads(trial.cell)
