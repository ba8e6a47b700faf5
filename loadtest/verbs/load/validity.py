"""When not to trust a trial. Pure."""

from loadtest.statistics import littles_law
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
    client, latency, service = trial.client, trial.client.latency, trial.client.service
    if latency is None or (trial.cell.rate is None and not trial.cell.keep_alive):
        return ""
    rate, mean = latency.count / client.seconds, latency.mean / 1e6
    window = {"duration": client.seconds, "longest": latency.max / 1e6}
    if trial.cell.rate is not None:
        assert service is not None
        return littles_law.open_loop(trial.cell.connections, rate, service.mean / 1e6, mean, **window)
    busy = min(1.0, client.cpu_seconds / client.seconds + _away(trial))
    return littles_law.closed_loop(client.connections, rate, mean, **window, client_share=busy)


def _away(trial: Trial) -> float:
    """The share of the client's CPU that others had, at most."""
    steal, load_cpu = trial.disturbance.steal, trial.disturbance.load_cpu
    if steal is None or load_cpu is None:
        return 1.0
    return load_cpu + (trial.cell.cpus + 1) * steal  # as if all of it was the client's CPU
