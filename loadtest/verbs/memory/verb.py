"""The verb memory."""

from __future__ import annotations

import shlex
from pathlib import Path

from loadtest.engine.progress import Progress
from loadtest.engine.verb import Save, Verb, servers
from loadtest.places import launch
from loadtest.places.place import Place
from loadtest.verbs.memory import clients, plan, report
from loadtest.verbs.memory.plan import IdleResults, IdleSettings
from loadtest.verbs.memory.runner import IdleRunner


def execute(found: IdleResults, place: Place, directory: Path, save: Save) -> None:
    settings = found.settings
    progress = Progress([plan.seconds(settings, step) for step in plan.steps(settings)])

    def show(index: int, step: plan.Step) -> None:
        progress.show(index, plan.describe(step))

    IdleRunner(place, found, directory, save, show).run()


def commands(settings: IdleSettings, binaries: Path) -> list[str]:
    """Of every level once, and of the looks at copy-on-write; then how long it takes."""
    todo = list(plan.steps(settings))
    shown = [line for step in todo if getattr(step, "round", 1) == 1 for line in _of_step(settings, step, binaries)]
    total = sum(plan.seconds(settings, step) for step in todo)
    return [*shown[1:], "", f"# {len(todo)} steps, about {total:.0f} s"]


def _of_step(settings: IdleSettings, step: plan.Step, binaries: Path) -> list[str]:
    address, server = launch.example(
        plan.held_by(settings, step),
        binaries,
        settings.cpus,
        workers=plan.workers(settings, step),
        connections=getattr(step, "connections", 0),
        more=plan.more_options(step),
    )
    load = clients.commands(address, settings, step)
    return ["", f"# {plan.describe(step)}", shlex.join(server), *map(shlex.join, load)]


MEMORY = Verb(
    name="memory",
    results=IdleResults,
    execute=execute,
    document=report.document,
    commands=commands,
    executables=lambda settings: servers(settings) | {"quartet-pace"},
)
