"""The command line of loadtest/quartet: one verb for each question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Optional

import click
import typer
import typer.core

from loadtest.cli import load, memory, tour, walk
from loadtest.cli.measure import stopping
from loadtest.cli.shared import BIN, BINARIES, JSON, with_groups
from loadtest.document import terminal
from loadtest.document.document import Document
from loadtest.engine import folder, report
from loadtest.engine.exit import Exit
from loadtest.system import output
from loadtest.system.repository import ROOT
from loadtest.verbs import registry  # noqa: F401  their results can be read
from loadtest.verbs.compare import comparison
from loadtest.verbs.doctor import doctor
from loadtest.verbs.list import listing

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


VERBS: dict[str, Callable[..., None]] = {
    "tour": tour.tour,
    "throughput": load.throughput,
    "latency": load.latency,
    "memory": memory.memory,
    "walk": walk.walk,
    "aa": load.against_itself,
}
app = new_app("Measures web-server concurrency models beside each other, their bare servers and their peers.")
for name, function in VERBS.items():
    app.command(name, cls=Command, epilog=EXIT_STATUSES)(with_groups(function))

main_job = new_app()
main_job.command(cls=Command, epilog=EXIT_STATUSES)(with_groups(tour.tour))


def _show(document: Document) -> None:
    output.show(terminal.render(document))


@app.command("report", cls=Command, epilog=EXIT_STATUSES)
def report_folder(
    directory: Path = typer.Argument(..., metavar="DIR", help="A results folder."), json: bool = JSON
) -> None:
    """Shows again what a run has shown at its end."""
    with stopping():
        found = folder.load(directory)
        if json:
            output.show(folder.to_json(found))
        else:
            _show(report.document(found))


@app.command("compare", cls=Command, epilog=EXIT_STATUSES)
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
    with stopping():
        found = comparison.compare(folder.load(a), folder.load(b), metric.split(","), margin / 100)
        if json:
            output.show(comparison.to_json(found))
        else:
            _show(comparison.document(found, str(a), str(b)))
        raise typer.Exit(Exit.gate if any(one.regressed for one in found.changes) else Exit.ok)


@app.command("doctor", cls=Command)
def examine(json: bool = JSON, binaries: Optional[Path] = BIN) -> None:
    """What can be measured on this machine, what cannot, and what would help."""
    card = doctor.examine(binaries or BINARIES)
    if json:
        output.show(doctor.to_json(card))
    else:
        _show(doctor.document(card))
    raise typer.Exit(Exit.ok if card.usable else Exit.environment)


@app.command("list", cls=Command)
def list_all(json: bool = JSON) -> None:
    """Who and what can be measured: contestants, workloads, metrics; results that are there."""
    if json:
        output.show(listing.to_json(BINARIES))
    else:
        _show(listing.document(BINARIES, ROOT / "results"))
