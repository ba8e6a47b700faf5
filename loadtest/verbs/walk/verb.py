"""The verb walk."""

from __future__ import annotations

import shlex
from pathlib import Path

from loadtest.engine.progress import Progress
from loadtest.engine.verb import Save, Verb
from loadtest.places import launch
from loadtest.places.place import Place
from loadtest.verbs.walk import report, runner, strace
from loadtest.verbs.walk.results import WalkResults, WalkSettings


def execute(found: WalkResults, place: Place, directory: Path, save: Save) -> None:
    progress = Progress([runner.SECONDS] * len(found.settings.contestants))
    runner.execute(found, place, directory, save, progress.show)


def commands(settings: WalkSettings, binaries: Path) -> list[str]:
    """Of each server, and of strace on it."""
    lines = []
    for contestant in settings.contestants:
        workers = runner.WORKERS
        _, argv = launch.example(contestant, binaries, settings.cpus, workers=workers, connections=workers)
        lines += [f"# {contestant.name}", shlex.join(argv), strace.example()]
    return lines


WALK = Verb(name="walk", results=WalkResults, execute=execute, document=report.document, commands=commands)
