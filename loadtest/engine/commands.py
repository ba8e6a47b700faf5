"""What a dry run shows: every external command, ready to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loadtest.document.figures import plural
from loadtest.engine.run import Part
from loadtest.engine.verb import measurement_of
from loadtest.places import launch

IN_DOCKER = ["# in Docker: these, without paths and taskset, each in a container", ""]


def commands(parts: Sequence[Part], binaries: Path) -> list[str]:
    """Of each step once, whatever the rounds; then how many steps there are, and how long they take. Files that servers
    need are written."""
    lines = [*IN_DOCKER] if parts[0].settings.runner == "docker" else []
    steps = [(part, step) for part in parts for step in measurement_of(part).steps(part.settings)]
    shown: set[tuple[str, str]] = set()
    for part, step in steps:
        if (step.contestant, step.what) in shown:
            continue
        shown.add((step.contestant, step.what))
        lines += [f"# {step.contestant}: {step.what}", *_of(part, step, binaries), ""]
    total = sum(measurement_of(part).seconds(part.settings, step) for part, step in steps)
    rounds = max(step.round for _, step in steps)
    return [*lines, f"# {plural(len(steps), 'step')} in {plural(rounds, 'round')}, about {total:.0f} s"]


def _of(part: Part, step: Any, binaries: Path) -> Iterator[str]:
    measurement = measurement_of(part)
    address, server = launch.example(measurement.server(part.settings, step), binaries)
    yield shlex.join(server)
    yield from map(shlex.join, measurement.load(address, part.settings, step))
