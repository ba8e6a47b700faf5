"""The main job."""

from __future__ import annotations

from pathlib import Path

from loadtest.engine.exit import Exit
from loadtest.engine.progress import Progress
from loadtest.engine.verb import Save, Verb
from loadtest.places.place import Place
from loadtest.verbs.tour import plan, report, summary, values
from loadtest.verbs.tour.plan import Plan
from loadtest.verbs.tour.results import TourResults
from loadtest.verbs.tour.runner import Runner


def execute(found: TourResults, place: Place, directory: Path, save: Save) -> None:
    settings = found.settings
    progress = Progress([plan.seconds(settings, step) for step in plan.steps(settings)])

    def show(index: int, step: plan.Step) -> None:
        progress.show(index, plan.describe(step))

    Runner(settings, place, found, save, show).run()


def commands(chosen: Plan, binaries: Path) -> list[str]:
    """A line for each group of steps, then the command lines, then how long it takes."""
    todo = list(plan.steps(chosen))
    groups: dict[str, list[str]] = {}
    shown: dict[str, None] = {}
    for step in todo:
        group, _, name = plan.describe(step).rpartition(": ")
        groups.setdefault(group, []).append(name)
        shown[" ".join(plan.server_arguments(chosen, step))] = None
    total = sum(plan.seconds(chosen, step) for step in todo)
    lines = [f"{group}: {', '.join(names)}" for group, names in groups.items()]
    return [*lines, "", *shown, "", f"{len(todo)} runs, about {total:.0f} s"]


def status(found: TourResults) -> Exit:
    if found.failures:
        return Exit.failed
    return Exit.invalid if summary.has_invalid_cell(found) else Exit.ok


TOUR = Verb(
    name="tour",
    results=TourResults,
    execute=execute,
    document=report.document,
    commands=commands,
    values=values.of,
    status=status,
)
