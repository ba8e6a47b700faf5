"""The verb memory: idle connections, and what forked workers share."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from loadtest.cli import texts
from loadtest.cli.measure import measure
from loadtest.cli.shared import PIN, SEED, Chosen, Invocation
from loadtest.engine.run import Part
from loadtest.verbs.load import presets
from loadtest.verbs.memory import verb
from loadtest.verbs.memory.plan import IdleSettings


@dataclass(frozen=True)
class Idle:
    """What they hold."""

    connections: str = typer.Option(
        "0,100,1000,5000,10000",
        "-c",
        "--connections",
        metavar="N,...",
        help="Idle ones; each level has its own server.",
    )
    ballast: int = typer.Option(0, "--ballast", min=0, max=100_000, metavar="MIB", help="Memory that ours have.")
    workers: int = typer.Option(
        1000, "--workers", min=1, max=20_000, metavar="N", help="Of the largest pool tried: one for each connection."
    )
    rounds: int = typer.Option(3, "--rounds", min=1, max=1000, metavar="N", help="Interleaved.")
    pin: str = PIN
    seed: int = SEED


def memory(chosen: Chosen, idle: Idle, invocation: Invocation) -> None:
    """What does an idle connection cost, and for how long does a forked worker share its parent's memory?"""

    def parts() -> list[Part]:
        settings = IdleSettings(
            contestants=presets.contestants(chosen.preset, chosen.only, chosen.peer, chosen.variant),
            cpus=texts.one_budget(idle.pin),
            levels=texts.numbers("--connections", idle.connections, 0, 100_000),
            rounds=idle.rounds,
            seed=idle.seed,
            ballast=idle.ballast,
            most_workers=idle.workers,
            pace=invocation.pace,
            runner=invocation.runner.value,
        )
        return verb.parts(settings)

    measure(verb.MEMORY, invocation, parts)
