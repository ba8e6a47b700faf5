"""The verb walk: the system calls of one request."""

from __future__ import annotations

import typer

from loadtest.cli import texts
from loadtest.cli.measure import measure
from loadtest.cli.shared import PIN, Chosen, Invocation, RunnerName
from loadtest.engine.run import Part
from loadtest.verbs.load import presets
from loadtest.verbs.walk import strace
from loadtest.verbs.walk.verb import WALK, WALKS, WalkSettings


def walk(
    chosen: Chosen,
    invocation: Invocation,
    path: str = typer.Option("/plaintext", "--path", metavar="PATH", help="What is asked for."),
    pin: str = PIN,
) -> None:
    """Which system calls does one request make, in every model? By strace, with a client that is never in a hurry."""

    def parts() -> list[Part]:
        if not path.startswith("/"):
            raise ValueError(f"--path {path}: expected a path, such as /plaintext")
        if invocation.runner == RunnerName.docker:
            raise ValueError("strace does not look into containers; walk takes --runner local")
        contestants = presets.contestants(chosen.preset, chosen.only, chosen.peer, chosen.variant)
        return [Part(WALKS.name, WalkSettings(contestants, texts.one_budget(pin), path))]

    measure(WALK, invocation, parts, strace.missing())
