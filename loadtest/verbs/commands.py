"""The command line of loadtest/quartet: one verb for each question."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer

from loadtest import command, environment, folder, output
from loadtest.doctor import doctor
from loadtest.session import Exit, width
from loadtest.verbs import comparison, listing, load_verbs, memory_verb, options, walk_verb
from loadtest.verbs.options import BIN, BINARIES, EXIT_STATUSES, JSON

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Measures web-server concurrency models beside each other, their bare servers and their peers.",
    epilog=EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, verb in (
    ("throughput", load_verbs.throughput),
    ("latency", load_verbs.latency),
    ("memory", memory_verb.memory),
    ("walk", walk_verb.walk),
    ("aa", load_verbs.against_itself),
):
    app.command(name, cls=options.Command, epilog=EXIT_STATUSES)(verb)


@app.command("compare", cls=options.Command, epilog=EXIT_STATUSES)
def compare_folders(
    a: Path = typer.Argument(..., metavar="A", help="A results folder: before."),
    b: Path = typer.Argument(..., metavar="B", help="Another: after."),
    margin: float = typer.Option(
        0.0, "--margin", min=0, max=100, metavar="PERCENT", help="Worse by less is no regression."
    ),
    metric: str = typer.Option(
        "throughput,cpu,latency p99", "--metric", metavar="NAME,...", help="What is compared, as in cells.csv."
    ),
    json: bool = JSON,
) -> None:
    """What has changed between two runs? Exit 3 when something got worse."""
    with options.stopping():
        found = comparison.compare(folder.load(a), folder.load(b), metric.split(","), margin / 100)
        output.show(comparison.to_json(found) if json else comparison.render(found, str(a), str(b), width()))
        raise typer.Exit(Exit.gate if any(one.regressed for one in found.changes) else Exit.ok)


@app.command("doctor")
def examine(json: bool = JSON, binaries: Optional[Path] = BIN) -> None:
    """What can be measured on this machine, what cannot, and what would help."""
    card = doctor.examine(binaries or BINARIES)
    output.show(doctor.to_json(card) if json else doctor.render(card, min(width(), 100)))
    raise typer.Exit(Exit.ok if card.usable else Exit.environment)


@app.command("list")
def list_all(json: bool = JSON) -> None:
    """Who and what can be measured: contestants, workloads, metrics; results that are there."""
    results = environment.ROOT / "results"
    output.show(listing.to_json(BINARIES) if json else listing.render(BINARIES, results, width()))


if __name__ == "__main__":
    sys.exit(command.run(app))
