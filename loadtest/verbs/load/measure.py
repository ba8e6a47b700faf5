"""One trial: a server of its own, a load, and what both ends say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadtest.clients import pace
from loadtest.contestants.contestants import gives
from loadtest.engine.measurement import Bench, stop
from loadtest.places.launch import ServerPlan, dry_run
from loadtest.system import cpus, sockets, syscalls
from loadtest.system.errors import MeasurementError
from loadtest.system.memory import Memory
from loadtest.system.processes import Address, Ended, describe_status
from loadtest.system.tree import Switches
from loadtest.verbs.load import clients, validity
from loadtest.verbs.load.plan import Settings, TrialStep
from loadtest.verbs.load.results import Trial


def measure(bench: Bench, step: TrialStep) -> Trial:
    trial = _measure(bench, step)
    if step.counts_system_calls and not trial.problems:
        trial.system_calls, trial.system_calls_problem = _count(bench, step)
    return trial


def _measure(bench: Bench, step: TrialStep) -> Trial:
    settings, cell = bench.settings, step.cell
    budget = settings.budgets[cell.cpus]
    memories: list[Memory] = []
    with bench.start(server(settings, step, bench.directory / "root")) as running:
        used, switches = running.cpu_seconds(), running.switches()
        observed = running.ask(clients.trial, settings, step, lambda _: memories.append(running.memory()))
        ended = stop(running)
        words = running.last_lines()
        incidents = running.incidents()
    client = clients.client_side(settings, cell, observed.finished)
    bench.printed[_raw_name(step)] = observed.finished.stdout
    consumed = _consumed(ended, used, words)
    load_seconds = client.cpu_seconds + observed.newcomers_cpu_seconds
    trial = Trial(
        step=step,
        server_command=running.command,
        client=client,
        server_cpu_seconds=consumed,
        system_share=cpus.system_share(observed.before, observed.after, budget.server),
        switches=_difference(ended.switches, switches),
        clients_served=observed.clients_served,
        newcomers=observed.newcomers,
        memory=memories[0] if memories else None,
        disturbance=cpus.disturbance(observed.before, observed.after, budget, consumed, load_seconds),
    )
    ports = sockets.port_problem(observed.sockets_before, observed.sockets_after, client.errors.get("connect", 0))
    died = "" if ended.status == 0 else f"the server {describe_status(ended.status)}{words}"
    trial.problems = [*validity.problems(trial), *incidents, *filter(None, [died, ports])]
    return trial


def _count(bench: Bench, step: TrialStep) -> tuple[float | None, str]:
    """System calls per request, newcomers' included, in a run of its own: perf makes each dearer by some 50 ns. What
    goes wrong here costs the count, not the trial."""
    try:
        return _count_in_own_run(bench, replace(bench.settings, duration=1), step)
    except MeasurementError as error:
        return None, str(error)


def _count_in_own_run(bench: Bench, settings: Settings, step: TrialStep) -> tuple[float | None, str]:
    budget = settings.budgets[step.cell.cpus]
    with bench.start(server(settings, step, bench.directory / "root")) as running:
        with syscalls.counted(budget.server, budget.load) as counter:
            observed = running.ask(clients.trial, settings, step, lambda _: None)
        stop(running)
    answered = clients.client_side(settings, step.cell, observed.finished).requests + observed.newcomers.served
    if counter.count is None or answered == 0:
        return None, counter.problem or "no request was answered"
    return counter.count / answered, ""


def server(settings: Settings, step: TrialStep, root: Path) -> ServerPlan:
    """`root` is made where files are served. Nobody rotates connections: peers would not either."""
    cell, more = step.cell, []
    contestant = settings.contestant(cell.contestant)
    if contestant.takes_options and not gives(contestant, "--max-requests-per-connection"):
        more += ["--max-requests-per-connection", "0"]
    if contestant.takes_options and settings.workload(cell.workload).is_file:
        more += ["--root", str(_document_root(root))]
    budget, workers = settings.budgets[cell.cpus], settings.workers_for(cell)
    return ServerPlan(contestant, budget, workers, cell.connections, tuple(more))


def example(settings: Settings, step: TrialStep) -> ServerPlan:
    """For a dry run, whose commands are pasted later."""
    return server(settings, step, dry_run("root"))


def load(address: Address, settings: Settings, step: TrialStep) -> list[list[str]]:
    cpus, schedule = settings.budgets[step.cell.cpus].load, clients.newcomers(settings, step.cell)
    return [
        clients.argv(address, settings, step.cell),
        pace.newcomer_command(settings.pace, address, cpus, schedule),
    ]


def _document_root(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "16k").write_bytes(bytes(range(256)) * 64)
    return root


def _consumed(ended: Ended, before: float, words: str) -> float:
    if ended.cpu_seconds is None:
        raise MeasurementError(f"under load the server {describe_status(ended.status)}{words}")
    return ended.cpu_seconds - before


def _difference(after: Switches | None, before: Switches | None) -> Switches | None:
    return after - before if after and before else None


def _raw_name(step: TrialStep) -> str:
    """A name for a file, from any contestant's."""
    cell = step.cell
    loop = "wrk" if cell.rate is None else f"pace-{cell.rate:g}"
    words = f"{step.round:02}-{cell.contestant}-{cell.workload}-c{cell.connections}-cpus{cell.cpus}-{loop}"
    return "".join(letter if letter.isalnum() or letter in "-.+" else "_" for letter in words) + ".json"
