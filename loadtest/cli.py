"""The command line of loadtest/run."""

from __future__ import annotations

import datetime
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from pathlib import Path
from typing import NoReturn, Optional

import typer

from loadtest import contestants, cpu_sets, environment, plan, processes, report, results, summary
from loadtest.containers import Containers
from loadtest.local import Local
from loadtest.place import Place
from loadtest.runner import Runner

EXIT_STATUSES = """Exit status: 0 measured; 1 failed (a server did not start, drain or answer); 2 usage;
4 measured, but some cell is invalid; 5 something is missing here (a package, a binary); 130 interrupted."""


BINARIES = environment.ROOT / "build/release/bin"


class Exit(IntEnum):
    ok = 0
    failed = 1
    usage = 2
    invalid = 4
    environment = 5
    interrupted = 130


class RunnerName(str, Enum):
    local = "local"
    docker = "docker"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
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
    binaries: Optional[Path] = typer.Option(
        None, "--bin", metavar="DIR", show_default=False, help="Servers built elsewhere (build/release/bin)."
    ),
) -> None:
    """Measures what each concurrency model costs, and what it protects from, with wrk on this machine."""
    chosen = _plan(smoke, rounds, duration, connections, only)
    if dry_run:
        print("\n".join(_describe(chosen)))
        raise typer.Exit(Exit.ok)
    if binaries and runner == RunnerName.docker:
        _stop(Exit.usage, "--bin is for --runner local; Docker's image has servers of its own")
    if sentence := environment.missing():
        _stop(Exit.environment, sentence)
    directory = out or environment.ROOT / "results" / _name(smoke)
    place = _place(runner, binaries or BINARIES, directory / "servers.log")
    raise typer.Exit(_run(chosen, place, directory, json))


def _place(runner: RunnerName, binaries: Path, log: Path) -> Place:
    return Containers(log) if runner == RunnerName.docker else Local(binaries, log)


def _stop(status: Exit, sentence: str) -> NoReturn:
    print(f"loadtest/run: {sentence}", file=sys.stderr)
    raise typer.Exit(status)


def _plan(smoke: bool, rounds: int | None, duration: str, connections: int | None, only: str) -> plan.Plan:
    try:
        chosen = contestants.select(only.split(","), plan.CONTESTANTS) if only else plan.CONTESTANTS
        seconds = _seconds(duration) if duration else 0
    except ValueError as error:
        _stop(Exit.usage, str(error))
    base = plan.Plan(chosen, cpu_sets.split(os.sched_getaffinity(0)))
    base = plan.smoke(base) if smoke else base
    changes = {"rounds": rounds, "duration": seconds, "connections": connections}
    return replace(base, **{name: value for name, value in changes.items() if value})


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,3})s?", text)
    if not found:
        raise ValueError(f"--duration {text}: wrk takes whole seconds, such as 2s")
    return int(found[1])


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


def _name(smoke: bool) -> str:
    return f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}{'-smoke' if smoke else ''}"


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _stop(Exit.environment, f"{directory}: {error.strerror}; choose another with --out")


def _run(chosen: plan.Plan, place: Place, directory: Path, as_json: bool) -> Exit:
    """All that needs tidying up afterwards, however it ends."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for its background jobs
    try:
        found = _prepare(chosen, place, directory)
        return _measure(found, place, directory, as_json)
    except KeyboardInterrupt:
        return Exit.interrupted
    finally:
        _ignore_signals()  # a second Ctrl-C must not leave servers behind
        place.close()


def _prepare(chosen: plan.Plan, place: Place, directory: Path) -> results.Results:
    executables = sorted({contestant.executable for contestant in chosen.contestants})
    if sentence := place.missing(executables):
        _stop(Exit.environment, sentence)
    _make(directory)
    try:
        place.prepare()
    except results.MeasurementError as error:
        _stop(Exit.failed, str(error))
    try:
        found = results.Results(environment.stamp(place, executables), chosen)
    except results.MeasurementError as error:
        _stop(Exit.environment, f"a program that we need does not work: {error}")
    os.sched_setaffinity(0, chosen.cpus.load)
    processes.prepare_limits()
    return found


def _measure(found: results.Results, place: Place, directory: Path, as_json: bool) -> Exit:
    started, target = time.monotonic(), directory / "results.json"

    def save() -> None:
        found.seconds = time.monotonic() - started
        results.save(found, target)

    progress = Progress(found.plan)
    try:
        save()
        Runner(found.plan, place, found, save, progress.show).run()
        found.state = "complete"
    except KeyboardInterrupt:
        found.state = "interrupted"
    except BaseException:
        found.state = "failed"
        save()
        raise
    finally:
        _ignore_signals()  # a second Ctrl-C must not leave half a report
        place.close()
    save()
    progress.finish()
    sys.stdout.write(results.to_json(found) if as_json else report.render(found, _width()))
    print(f"results: {target}", file=sys.stderr)
    return status(found)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def status(found: results.Results) -> Exit:
    if found.state == "interrupted":
        return Exit.interrupted
    if found.failures:
        return Exit.failed
    return Exit.invalid if summary.has_invalid_cell(found) else Exit.ok


def _width() -> int:
    try:
        return max(100, min(120, os.get_terminal_size(sys.stdout.fileno()).columns))
    except OSError:
        return 100


@dataclass
class Progress:
    """What runs now, and how long it will go on; on stderr, one line of a terminal or one for each group of steps."""

    plan: plan.Plan
    _started: float = field(default_factory=time.monotonic)
    _group: str = ""

    def show(self, index: int, step: plan.Step) -> None:
        todo = list(plan.steps(self.plan))
        left = self._seconds_left([plan.seconds(self.plan, one) for one in todo], index)
        position = f"[{index + 1}/{len(todo)}] {plan.describe(step)}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{position}, {left} left", end="", file=sys.stderr, flush=True)
            return
        group = plan.describe(step).partition(":")[0]
        if group != self._group:
            print(f"[{index + 1}/{len(todo)}] {group}, {left} left", file=sys.stderr, flush=True)
        self._group = group

    def _seconds_left(self, seconds: list[float], index: int) -> str:
        """As planned, corrected by how long the steps before took."""
        planned = sum(seconds[:index])
        pace = (time.monotonic() - self._started) / planned if index >= 3 else 1
        left = round(pace * sum(seconds[index:]))
        return f"{left // 60}:{left % 60:02}"

    def finish(self) -> None:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
