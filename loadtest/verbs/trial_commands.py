"""What throughput, latency and the instrument against itself have in common: beginning, going on, dry run."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from loadtest import folder
from loadtest.places import launch
from loadtest.places.place import Place
from loadtest.results import Environment
from loadtest.session import Progress
from loadtest.trial import generators
from loadtest.trial.measured import TrialResults
from loadtest.trial.trial_runner import TrialRunner, more_options, remaining
from loadtest.trial.trials import Cell, Settings, TrialStep, cells, describe, seconds, steps
from loadtest.verbs import options

NOTES = {"local": [], "docker": ["# in Docker: these, without paths and taskset, each in a container", ""]}


def begin(
    verb: str, settings: Settings, earlier: TrialResults | None, stamp: Environment, place: Place
) -> TrialResults:
    """Raises Stop when the earlier results are of other software or of another machine: their rounds would be compared
    with those to come."""
    if earlier is None:
        return TrialResults(verb, stamp, options.described(settings, place))
    options.refuse_other_software(earlier.environment, stamp)
    earlier.failures = []  # they are tried again
    return earlier


def execute(found: TrialResults, place: Place, directory: Path, save: Callable[[], None]) -> None:
    if any(workload.is_file for workload in found.settings.workloads):
        make_document_root(directory / "root")
    todo = remaining(found)
    progress = Progress([seconds(found.settings, step) for step in todo])

    def show(step: TrialStep) -> None:
        progress.show(todo.index(step), describe(step))

    TrialRunner(found, place, directory, save, folder.raw(directory), show).run()


def make_document_root(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "16k").write_bytes(bytes(range(256)) * 64)


def executables(settings: Settings) -> list[str]:
    """Servers by name; quartet-pace where it is asked for."""
    servers = {contestant.executable for contestant in settings.contestants}
    return sorted(servers | ({"quartet-pace"} if settings.rates else set()))


def lines(settings: Settings, binaries: Path) -> list[str]:
    """Every external command, ready to paste; then how many trials, and how long. Files to serve are written."""
    root = Path()
    if any(workload.is_file for workload in settings.workloads):
        make_document_root(root := launch.dry_run("root"))
    shown = [line for cell in cells(settings) for line in _commands(settings, cell, binaries, root)]
    todo = list(steps(settings))
    total = sum(seconds(settings, step) for step in todo)
    rounds = f"{settings.rounds} round{'' if settings.rounds == 1 else 's'}"
    return [*NOTES[settings.runner], *shown[1:], "", f"# {len(todo)} trials in {rounds}, about {total:.0f} s"]


def _commands(settings: Settings, cell: Cell, binaries: Path, root: Path) -> list[str]:
    address, server = launch.example(
        settings.contestant(cell.contestant),
        binaries,
        settings.budgets[cell.cpus],
        workers=settings.workers_for(cell),
        connections=cell.connections,
        more=more_options(settings, cell, root),
    )
    return ["", f"# {cell}", shlex.join(server), shlex.join(generators.argv(address, settings, cell))]
