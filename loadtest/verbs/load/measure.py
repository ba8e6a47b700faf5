"""One trial: a server of its own, a load, and what both ends say of it."""

import re
from dataclasses import replace
from pathlib import Path

from loadtest.clients import pace
from loadtest.engine.measurement import Bench, stop
from loadtest.places.launch import ServerPlan, dry_run
from loadtest.system import MeasurementError, cpus, syscalls
from loadtest.system.memory import Memory
from loadtest.system.processes import Address, describe_status
from loadtest.verbs.load import clients
from loadtest.verbs.load.plan import Settings, TrialStep
from loadtest.verbs.load.results import Trial, problems


def measure(bench: Bench, step: TrialStep) -> Trial:
    """Raises MeasurementError."""
    settings, budget = bench.settings, bench.settings.budgets[step.cell.cpus]
    memories: list[Memory] = []
    with bench.start(server(settings, step, bench.directory / "root")) as running:
        used, switches = running.cpu_seconds(), running.switches()
        observed = running.ask(clients.trial, settings, step, lambda _: memories.append(running.memory()))
        ended = stop(running)
        fate = f"the server {describe_status(ended.status)}{running.last_lines()}"
        incidents = running.incidents()
    bench.printed[_raw_name(step)] = observed.printed
    if ended.cpu_seconds is None:
        raise MeasurementError(f"under load {fate}")
    consumed, load_seconds = ended.cpu_seconds - used, observed.client.cpu_seconds + observed.newcomers_cpu_seconds
    trial = Trial(
        step=step,
        server_command=running.command,
        client=observed.client,
        server_cpu_seconds=consumed,
        system_share=cpus.system_share(observed.before, observed.after, budget.server),
        switches=ended.switches - switches if ended.switches and switches else None,
        clients_served=observed.clients_served,
        newcomers=observed.newcomers,
        memory=memories[0] if memories else None,
        disturbance=cpus.disturbance(observed.before, observed.after, budget, consumed, load_seconds),
    )
    trial.problems = [*problems(trial), *incidents, *([fate] if ended.status != 0 else [])]
    if step.counts_system_calls and not trial.problems:
        trial.system_calls, trial.system_calls_problem = _count_system_calls(bench, step)
    return trial


def _count_system_calls(bench: Bench, step: TrialStep) -> tuple[float | None, str]:
    """For each request, newcomers' included, in a run of its own: perf makes each dearer by some 50 ns. What goes wrong
    here costs the count, not the trial."""
    settings, budget = replace(bench.settings, duration=1), bench.settings.budgets[step.cell.cpus]
    try:
        with bench.start(server(settings, step, bench.directory / "root")) as running:
            with syscalls.counted(budget.server, budget.load) as counter:
                observed = running.ask(clients.trial, settings, step, lambda _: None)
            stop(running)
    except MeasurementError as error:
        return None, str(error)
    answered = observed.client.requests + observed.newcomers.served
    if counter.count is None or answered == 0:
        return None, counter.problem or "no request was answered"
    return counter.count / answered, ""


def server(settings: Settings, step: TrialStep, root: Path | None = None) -> ServerPlan:
    """`root` is made where files are served; without one it is a dry run's, whose commands are pasted later. Nobody
    rotates connections: peers would not either."""
    cell, more = step.cell, []
    contestant = settings.contestant(cell.contestant)
    if contestant.takes_options and "--max-requests-per-connection" not in contestant.options:
        more += ["--max-requests-per-connection", "0"]
    if contestant.takes_options and settings.workload(cell.workload).path.startswith("/file/"):
        root = root or dry_run("root")
        root.mkdir(parents=True, exist_ok=True)
        (root / "16k").write_bytes(bytes(range(256)) * 64)
        more += ["--root", str(root)]
    workers = settings.workers or cell.connections + 2  # for newcomers and /stats; with fewer, some wait for ever
    return ServerPlan(contestant, settings.budgets[cell.cpus], workers, cell.connections, tuple(more))


def load(address: Address, settings: Settings, step: TrialStep) -> list[list[str]]:
    cpus, schedule = settings.budgets[step.cell.cpus].load, clients.newcomers(settings, step.cell)
    newcomers = pace.newcomer_command(settings.pace, address, cpus, schedule)
    return [clients.argv(address, settings, step.cell), newcomers]


def _raw_name(step: TrialStep) -> str:
    """A name for a file, from any contestant's."""
    cell = step.cell
    loop = "wrk" if cell.rate is None else f"pace-{cell.rate:g}"
    words = f"{step.round:02}-{cell.contestant}-{cell.workload}-c{cell.connections}-cpus{cell.cpus}-{loop}"
    return re.sub(r"[^\w.+-]", "_", words) + ".json"
