"""The main job: the command line of loadtest/run, and of loadtest/quartet tour."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Optional

import typer

from loadtest.cli import texts
from loadtest.cli.measure import measure
from loadtest.cli.shared import Invocation
from loadtest.contestants import contestants
from loadtest.system import cpu_sets
from loadtest.verbs.tour import plan
from loadtest.verbs.tour.plan import Plan
from loadtest.verbs.tour.verb import TOUR


def tour(
    invocation: Invocation,
    smoke: bool = typer.Option(False, "--smoke", help="Everything once and short: does it all work?"),
    rounds: Optional[int] = typer.Option(None, min=1, metavar="N", show_default=False, help="Interleaved rounds (6)."),
    duration: str = typer.Option("", metavar="SECONDS", show_default=False, help="Of each wrk run (1s)."),
    connections: Optional[int] = typer.Option(
        None, "-c", "--connections", min=1, max=1000, metavar="N", show_default=False, help="Of wrk (16)."
    ),
    only: str = typer.Option(
        "", metavar="NAME,...", show_default=False, help="These contestants; --dry-run lists all."
    ),
) -> None:
    """Measures what each concurrency model costs, and what it protects from, with wrk on this machine."""

    def settings() -> Plan:
        chosen = contestants.select(only.split(","), plan.CONTESTANTS) if only else plan.CONTESTANTS
        whole = Plan(chosen, cpu_sets.split(os.sched_getaffinity(0)), runner=invocation.runner.value)
        base = plan.smoke(whole) if smoke else whole
        seconds = texts.seconds(duration) if duration else 0
        changes = {"rounds": rounds, "duration": seconds, "connections": connections}
        return replace(base, **{name: value for name, value in changes.items() if value})

    measure(TOUR, invocation, settings)
