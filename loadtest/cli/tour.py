"""The main job: the command line of loadtest/run, and of loadtest/quartet tour."""

from __future__ import annotations

import os
from typing import Optional

import typer

from loadtest.cli import texts
from loadtest.cli.measure import measure
from loadtest.cli.shared import Invocation
from loadtest.contestants import contestants
from loadtest.engine.run import Part
from loadtest.system import cpu_sets
from loadtest.verbs.tour import plan
from loadtest.verbs.tour.plan import Tour
from loadtest.verbs.tour.verb import TOUR


def tour(
    invocation: Invocation,
    smoke: bool = typer.Option(False, "--smoke", help="Everything once and short: does it all work?"),
    rounds: Optional[int] = typer.Option(None, min=1, metavar="N", show_default=False, help="Interleaved rounds (9)."),
    duration: str = typer.Option("1s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds."),
    connections: int = typer.Option(16, "-c", "--connections", min=1, max=1000, metavar="N", help="Of each load."),
    only: str = typer.Option(
        "", metavar="NAME,...", show_default=False, help="These contestants; --dry-run lists all."
    ),
) -> None:
    """Measures what each concurrency model costs, and what it protects from, with wrk on this machine."""

    def parts() -> list[Part]:
        chosen = contestants.select(only.split(","), plan.CONTESTANTS) if only else plan.CONTESTANTS
        whole = Tour(
            contestants=chosen,
            cpus=cpu_sets.split(os.sched_getaffinity(0)),
            rounds=rounds or (1 if smoke else plan.ROUNDS),
            duration=texts.seconds(duration),
            connections=connections,
            runner=invocation.runner.value,
            pace=invocation.pace,
        )
        return plan.smoke(plan.parts(whole)) if smoke else plan.parts(whole)

    measure(TOUR, invocation, parts)
