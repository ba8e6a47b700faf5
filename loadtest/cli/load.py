"""The verbs throughput, latency and aa: cells under load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import typer

from loadtest.cli import texts
from loadtest.cli.measure import measure
from loadtest.cli.shared import CONNECTIONS, PIN, SEED, WORKLOAD, Chosen, Invocation, Load
from loadtest.engine.run import Part
from loadtest.verbs.load import aa, presets
from loadtest.verbs.load.plan import Settings, checked
from loadtest.verbs.load.verb import AA, LATENCY, LOAD, THROUGHPUT


def throughput(
    chosen: Chosen,
    load: Load,
    invocation: Invocation,
    pipeline: int = typer.Option(1, "--pipeline", min=1, max=1000, metavar="N", help="Requests sent at once."),
    rate: str = typer.Option(
        "", "--rate", metavar="N,...", show_default=False, help="At these rates as well, for CPU per request."
    ),
) -> None:
    """How many requests a second, and what does each cost? By wrk: clients that ask again when they are answered."""

    def parts() -> list[Part]:
        rates = texts.rates(rate) if rate else presets.rates(chosen.preset)
        return part(Settings(**_common(chosen, load, invocation), rates=rates, pipeline=pipeline))

    measure(THROUGHPUT, invocation, parts)


def latency(
    chosen: Chosen,
    load: Load,
    invocation: Invocation,
    rate: str = typer.Option("1000", "--rate", metavar="N,...", help="Requests a second, the same for everybody."),
    slo: list[str] = typer.Option(
        [],
        "--slo",
        metavar="QUANTILE=TIME",
        show_default=False,
        help="A gate, such as p99=5ms; repeat it. Missed: exit 3.",
    ),
) -> None:
    """How long does a request take at a constant rate, counted from when it was due? By quartet-pace."""

    def parts() -> list[Part]:
        common = _common(chosen, load, invocation)
        return part(Settings(**common, rates=texts.rates(rate), closed=False, gates=tuple(map(presets.gate, slo))))

    measure(LATENCY, invocation, parts)


def part(settings: Settings) -> list[Part]:
    """Raises ValueError."""
    return [Part(LOAD.name, checked(settings))]


def _common(chosen: Chosen, load: Load, invocation: Invocation) -> dict[str, Any]:
    """Of the settings."""
    return {
        "contestants": presets.contestants(chosen.preset, chosen.only, chosen.peer, chosen.variant),
        "workloads": presets.workloads(load.workload),
        "budgets": texts.budgets(load.cpus, load.pin),
        "connections": texts.numbers("--connections", load.connections, 1, 10000),
        "keep_alive": not load.fresh,
        "rounds": load.rounds,
        "duration": texts.seconds(load.duration),
        "seed": load.seed,
        "workers": load.workers,
        "preset": chosen.preset,
        "runner": invocation.runner.value,
        "pace": invocation.pace,
    }


@dataclass(frozen=True)
class Tries:
    """Of the instrument against itself."""

    only: str = typer.Option("epoll", metavar="NAME", help="The contestant.")
    tries: int = typer.Option(20, "--tries", min=20, max=1000, metavar="N", help="Each of --rounds rounds.")
    workload: str = WORKLOAD
    connections: str = CONNECTIONS
    duration: str = typer.Option("1s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
    rounds: int = typer.Option(6, "--rounds", min=6, max=1000, metavar="N", help="Of each try.")
    pin: str = PIN
    seed: int = SEED


def against_itself(tries: Tries, invocation: Invocation) -> None:
    """Does the instrument see a difference where there is none? A contestant against itself, 20 times."""

    def parts() -> list[Part]:
        once = Settings(
            contestants=presets.contestants("", tries.only, [], []),
            workloads=presets.workloads(tries.workload),
            budgets=texts.budgets("1", tries.pin),
            connections=texts.numbers("--connections", tries.connections, 1, 10000),
            rounds=tries.rounds,
            duration=texts.seconds(tries.duration),
            seed=tries.seed,
            runner=invocation.runner.value,
            pace=invocation.pace,
        )
        return part(aa.against_itself(once, tries.tries))

    measure(AA, invocation, parts)
