"""The command line of loadtest/quartet, one verb for each question, and that of loadtest/run."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import click
import typer
import typer.core

from loadtest.cli import options
from loadtest.cli.options import JSON, Chosen, Idle, Invocation, Load, Tries, number, plain
from loadtest.cli.program import measure, usage_errors
from loadtest.contestants import contestants
from loadtest.document import terminal
from loadtest.engine import folder
from loadtest.engine import report as engine_report
from loadtest.engine.exit import Exit
from loadtest.engine.run import Part
from loadtest.engine.verb import Verb
from loadtest.system import cpu_sets, output
from loadtest.system.repository import ROOT
from loadtest.verbs import registry  # noqa: F401  their results can be read
from loadtest.verbs.compare import comparison
from loadtest.verbs.doctor import doctor
from loadtest.verbs.list import listing
from loadtest.verbs.load import presets
from loadtest.verbs.load.aa import against_itself
from loadtest.verbs.load.plan import Settings, checked
from loadtest.verbs.load.verb import AA, LATENCY, LOAD, THROUGHPUT
from loadtest.verbs.memory import verb as memory_verb
from loadtest.verbs.memory.clients import IdleSettings
from loadtest.verbs.tour import plan as tour_plan
from loadtest.verbs.tour.plan import Tour
from loadtest.verbs.tour.verb import TOUR
from loadtest.verbs.walk import strace
from loadtest.verbs.walk.verb import WALK, WALKS, WalkSettings

EXIT_STATUSES = """Exit status: 0 measured; 1 failed (a server did not start, drain or answer; the disk or stdout
took no more); 2 usage; 3 a gate was not met, or a regression; 4 measured, but some cell is
invalid; 5 something is missing here (a package, a binary);
130 interrupted: what was measured is kept, and --resume DIR goes on."""


class Command(typer.core.TyperCommand):
    """Some versions of typer escape brackets for rich although they print without it."""

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx).replace("\\[", "[")


def new_app(summary: str | None = None) -> typer.Typer:
    """Without one it is the app of its one command."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=summary is not None,
        help=summary,
        epilog=EXIT_STATUSES,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


app = new_app("Measures web-server concurrency models beside each other, their bare servers and their peers.")
main_job = new_app()


def measures(verb: Verb, *apps: typer.Typer, missing: Callable[[], str] = lambda: "") -> Callable[[Any], Any]:
    """Makes a command of a function that turns its options into the parts of a run; it raises ValueError.

    @param missing: tells what the verb needs and this machine has not, a sentence with the fix"""

    def make(parts: Callable[..., list[Part]]) -> Callable[..., list[Part]]:
        @functools.wraps(parts)
        def run(invocation: Invocation, **given: Any) -> Exit:
            return measure(verb, invocation, lambda: parts(invocation=invocation, **given), missing)

        for one in apps or (app,):
            one.command(verb.name, cls=Command, epilog=EXIT_STATUSES)(options.with_groups(run))
        return parts

    return make


# --- what measures


@measures(TOUR, app, main_job)
def tour(
    invocation: Invocation,
    smoke: bool = typer.Option(False, "--smoke", help="Everything once and short: does it all work?"),
    rounds: Optional[int] = plain(None, min=1, metavar="N", help="Interleaved rounds (9)."),
    duration: str = options.DURATION,
    connections: int = number(16, "-c", "--connections", min=1, max=1000, help="Of each load."),
    only: str = plain("", metavar="NAME,...", help="These contestants; --dry-run lists all."),
) -> list[Part]:
    """Measures what each concurrency model costs, and what it protects from, with wrk on this machine."""
    everybody = tour_plan.CONTESTANTS
    whole = tour_plan.parts(
        Tour(
            contestants=contestants.select(only.split(","), everybody) if only else everybody,
            cpus=cpu_sets.split(os.sched_getaffinity(0)),
            rounds=rounds or (1 if smoke else tour_plan.ROUNDS),
            duration=options.seconds(duration),
            connections=connections,
            **invocation.settings,
        )
    )
    return tour_plan.smoke(whole) if smoke else whole


@measures(THROUGHPUT)
def throughput(
    chosen: Chosen,
    load: Load,
    invocation: Invocation,
    pipeline: int = number(1, min=1, max=1000, help="Requests sent at once."),
    rate: str = plain("", metavar="N,...", help="At these rates as well, for CPU per request."),
) -> list[Part]:
    """How many requests a second, and what does each cost? By wrk: clients that ask again when they are answered."""
    rates = options.rates(rate) if rate else presets.rates(chosen.preset)
    return _under_load(chosen, load, invocation, rates=rates, pipeline=pipeline)


@measures(LATENCY)
def latency(
    chosen: Chosen,
    load: Load,
    invocation: Invocation,
    rate: str = typer.Option("1000", metavar="N,...", help="Requests a second, the same for everybody."),
    slo: list[str] = plain([], metavar="QUANTILE=TIME", help="A gate, such as p99=5ms; repeat it. Missed: exit 3."),
) -> list[Part]:
    """How long does a request take at a constant rate, counted from when it was due? By quartet-pace."""
    limits = tuple(map(presets.gate, slo))
    return _under_load(chosen, load, invocation, rates=options.rates(rate), closed=False, gates=limits)


def _under_load(chosen: Chosen, load: Load, invocation: Invocation, **more: Any) -> list[Part]:
    """Raises ValueError."""
    settings = Settings(
        contestants=chosen.contestants,
        workloads=presets.workloads(load.workload),
        budgets=options.budgets(load.cpus, load.pin),
        connections=options.numbers("--connections", load.connections, 1, 10000),
        keep_alive=not load.fresh,
        rounds=load.rounds,
        duration=options.seconds(load.duration),
        seed=load.seed,
        workers=load.workers,
        preset=chosen.preset,
        **invocation.settings,
        **more,
    )
    return [Part(LOAD.name, checked(settings))]


@measures(memory_verb.MEMORY)
def memory(chosen: Chosen, idle: Idle, invocation: Invocation) -> list[Part]:
    """What does an idle connection cost, and for how long does a forked worker share its parent's memory?"""
    settings = IdleSettings(
        contestants=chosen.contestants,
        cpus=options.one_budget(idle.pin),
        levels=options.numbers("--connections", idle.connections, 0, 100_000),
        rounds=idle.rounds,
        seed=idle.seed,
        ballast=idle.ballast,
        most_workers=idle.workers,
        **invocation.settings,
    )
    return memory_verb.parts(settings)


@measures(WALK, missing=strace.missing)
def walk(
    chosen: Chosen,
    invocation: Invocation,
    path: str = typer.Option("/plaintext", metavar="PATH", help="What is asked for."),
    pin: str = options.PIN,
) -> list[Part]:
    """Which system calls does one request make, in every model? By strace, with a client that is never in a hurry."""
    if not path.startswith("/"):
        raise ValueError(f"--path {path}: expected a path, such as /plaintext")
    if invocation.runner == options.RunnerName.docker:
        raise ValueError("strace does not look into containers; walk takes --runner local")
    return [Part(WALKS.name, WalkSettings(chosen.contestants, options.one_budget(pin), path))]


@measures(AA)
def aa(tries: Tries, invocation: Invocation) -> list[Part]:
    """Does the instrument see a difference where there is none? A contestant against itself, 20 times."""
    once = Settings(
        contestants=presets.contestants("", tries.only, [], []),
        workloads=presets.workloads(tries.workload),
        budgets=options.budgets("1", tries.pin),
        connections=options.numbers("--connections", tries.connections, 1, 10000),
        rounds=tries.rounds,
        duration=options.seconds(tries.duration),
        seed=tries.seed,
        **invocation.settings,
    )
    return [Part(LOAD.name, checked(against_itself(once, tries.tries)))]


# --- what only shows


@app.command("report", cls=Command, epilog=EXIT_STATUSES)
def report(directory: Path = typer.Argument(..., metavar="DIR", help="A results folder."), json: bool = JSON) -> None:
    """Shows again what a run has shown at its end."""
    with usage_errors():
        found = folder.load(directory)
        output.show(folder.to_json(found) if json else terminal.render(engine_report.document(found)))


@app.command("compare", cls=Command, epilog=EXIT_STATUSES)
def compare(
    a: Path = typer.Argument(..., metavar="A", help="A results folder: before."),
    b: Path = typer.Argument(..., metavar="B", help="Another: after."),
    margin: float = number(0.0, min=0, max=100, metavar="PERCENT", help="Worse by less is no regression."),
    metric: str = typer.Option(
        "throughput,cpu,latency p99", metavar="NAME,...", help="What is compared, as in cells.csv."
    ),
    json: bool = JSON,
) -> Exit:
    """What has changed between two runs? Exit 3 when something got worse."""
    with usage_errors():
        found = comparison.compare(folder.load(a), folder.load(b), metric.split(","), margin / 100)
        document = comparison.document(found, str(a), str(b))
        output.show(comparison.to_json(found) if json else terminal.render(document))
    return Exit.gate if any(one.regressed for one in found.changes) else Exit.ok


@app.command("doctor", cls=Command)
def examine(json: bool = JSON, binaries: Optional[Path] = options.BIN) -> Exit:
    """What can be measured on this machine, what cannot, and what would help."""
    card = doctor.examine(binaries or options.BINARIES)
    output.show(doctor.to_json(card) if json else terminal.render(doctor.document(card)))
    return Exit.ok if card.usable else Exit.environment


@app.command("list", cls=Command)
def list_all(json: bool = JSON) -> None:
    """Who and what can be measured: contestants, workloads, metrics; results that are there."""
    output.show(
        listing.to_json(options.BINARIES)
        if json
        else terminal.render(listing.document(options.BINARIES, ROOT / "results"))
    )
