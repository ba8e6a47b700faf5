"""The command line of loadtest/run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Optional

import typer

from loadtest import contestants, output, results
from loadtest.job import plan, report, summary
from loadtest.job.runner import Runner
from loadtest.places.containers import Containers
from loadtest.places.local import Local
from loadtest.places.place import Place
from loadtest.session import Exit, Progress, Session, claim
from loadtest.system import cpu_sets
from loadtest.verbs import options
from loadtest.verbs.options import RunnerName

EXIT_STATUSES = """Exit status: 0 measured; 1 failed (a server did not start, drain or answer; the disk or stdout
took no more); 2 usage;
4 measured, but some cell is invalid; 5 something is missing here (a package, a binary); 130 interrupted."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(cls=options.Command, epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
def main(
    smoke: bool = typer.Option(False, "--smoke", help="Everything once and short: does it all work?"),
    rounds: Optional[int] = typer.Option(None, min=1, metavar="N", show_default=False, help="Interleaved rounds (6)."),
    duration: str = typer.Option("", metavar="SECONDS", show_default=False, help="Of each wrk run (1s)."),
    connections: Optional[int] = typer.Option(
        None, "-c", "--connections", min=1, max=1000, metavar="N", show_default=False, help="Of wrk (16)."
    ),
    out: Optional[Path] = typer.Option(
        None, metavar="DIR", show_default=False, help="For results.json and the servers' log (results/TIME)."
    ),
    only: str = typer.Option(
        "", metavar="NAME,...", show_default=False, help="These contestants; --dry-run lists all."
    ),
    json: bool = typer.Option(False, "--json", help="Print the results as JSON instead of tables."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what would be run, and run nothing."),
    runner: RunnerName = typer.Option(
        RunnerName.local, show_default=False, help="Servers and wrk as they are (local), or in containers."
    ),
    resume: Optional[Path] = options.RESUME,
    binaries: Optional[Path] = options.BIN,
) -> None:
    """Measures what each concurrency model costs, and what it protects from, with wrk on this machine."""
    with options.stopping():
        earlier = options.earlier(results.Results, "run", resume, out)
        chosen = earlier.plan if earlier else _plan(smoke, rounds, duration, connections, only)
        if dry_run:
            shown = options.for_dry_run(chosen, binaries or options.BINARIES)
            output.show("\n".join(_describe(shown)) + "\n")
            raise typer.Exit(Exit.ok)
        where = RunnerName(earlier.environment.runner) if earlier else runner
        if binaries and where == RunnerName.docker:
            raise ValueError("--bin is for --runner local; Docker's image has servers of its own")
        directory = claim(resume, out, "smoke" if smoke else "run")
        place = _place(where, binaries or options.BINARIES, directory / "servers.log")
    options.finish(_session(chosen, earlier, place, directory, json))


def _place(runner: RunnerName, binaries: Path, log: Path) -> Place:
    return Containers(log) if runner == RunnerName.docker else Local(binaries, log)


def _plan(smoke: bool, rounds: int | None, duration: str, connections: int | None, only: str) -> plan.Plan:
    """Raises ValueError."""
    chosen = contestants.select(only.split(","), plan.CONTESTANTS) if only else plan.CONTESTANTS
    seconds = options.seconds(duration) if duration else 0
    base = plan.Plan(chosen, cpu_sets.split(os.sched_getaffinity(0)))
    base = plan.smoke(base) if smoke else base
    changes = {"rounds": rounds, "duration": seconds, "connections": connections}
    return replace(base, **{name: value for name, value in changes.items() if value})


def _describe(chosen: plan.Plan) -> list[str]:
    """A line for each group of steps, then the command lines, then how long it takes."""
    todo = list(plan.steps(chosen))
    groups: dict[str, list[str]] = {}
    commands: dict[str, None] = {}
    for step in todo:
        group, _, name = plan.describe(step).rpartition(": ")
        groups.setdefault(group, []).append(name)
        commands[" ".join(plan.server_arguments(chosen, step))] = None
    total = sum(plan.seconds(chosen, step) for step in todo)
    lines = [f"{group}: {', '.join(names)}" for group, names in groups.items()]
    return [*lines, "", *commands, "", f"{len(todo)} runs, about {total:.0f} s"]


def _session(
    chosen: plan.Plan, earlier: results.Results | None, place: Place, directory: Path, as_json: bool
) -> Session[results.Results]:
    def execute(found: results.Results, save: Callable[[], None]) -> None:
        progress = Progress([plan.seconds(found.plan, step) for step in plan.steps(found.plan)])

        def show(index: int, step: plan.Step) -> None:
            progress.show(index, plan.describe(step))

        Runner(found.plan, place, found, save, show).run()

    return Session(
        place=place,
        directory=directory,
        executables=sorted({contestant.executable for contestant in chosen.contestants}),
        load_cpus=chosen.cpus.load,
        begin=lambda stamp: _begin(chosen, earlier, stamp, place),
        execute=execute,
        render=report.render,
        status=status,
        as_json=as_json,
    )


def _begin(
    chosen: plan.Plan, earlier: results.Results | None, stamp: results.Environment, place: Place
) -> results.Results:
    """Raises Stop when the earlier results are of other software or of another machine."""
    if earlier is None:
        return results.Results(stamp, options.described(chosen, place))
    options.refuse_other_software(earlier.environment, stamp)
    earlier.failures = []  # they are tried again
    return earlier


def status(found: results.Results) -> Exit:
    if found.failures:
        return Exit.failed
    return Exit.invalid if summary.has_invalid_cell(found) else Exit.ok
