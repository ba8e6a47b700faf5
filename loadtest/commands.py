"""The command line of loadtest/quartet: one verb for each question."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NoReturn, Optional

import typer

from loadtest import (
    aa,
    comparison,
    environment,
    folder,
    gates,
    listing,
    presets,
    report_trials,
    trial_commands,
    trial_validity,
)
from loadtest.containers import Containers
from loadtest.contestants import Kind
from loadtest.cpu_sets import CpuSets, parse_pin, split
from loadtest.local import Local
from loadtest.measured import TrialResults
from loadtest.place import Place
from loadtest.session import Exit, Session, Stop, new_directory, width
from loadtest.trials import Settings

EXIT_STATUSES = """Exit status: 0 measured; 1 failed (a server did not start, drain or answer); 2 usage; 3 a gate was
not met, or a regression; 4 measured, but some cell is invalid; 5 something is missing here (a package, a binary);
130 interrupted: what was measured is kept, and --resume DIR goes on."""

BINARIES = environment.ROOT / "build/release/bin"


class RunnerName(str, Enum):
    local = "local"
    docker = "docker"


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Measures web-server concurrency models beside each other, their limits and their peers.",
    epilog=EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# One spelling for everybody.
ONLY = typer.Option("", metavar="NAME,...", show_default=False, help="These contestants; `list` names them.")
PEER = typer.Option([], "--peer", metavar="NAME", show_default=False, help="A production server as well; repeat it.")
VARIANT = typer.Option(
    [], "--variant", metavar="COMMAND", show_default=False, help="Ours with options, 'quartet-epoll --workers 1'; repeat it."
)
WORKLOAD = typer.Option("plaintext", metavar="NAME,...", help="What is asked for; `list` names them.")
CONNECTIONS = typer.Option("16", "-c", "--connections", metavar="N,...", help="At a time, such as 1,16,64,256.")
DURATION = typer.Option("2s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
ROUNDS = typer.Option(6, "--rounds", min=1, max=1000, metavar="N", help="Interleaved; fewer than 6 are indicative.")
WORKERS = typer.Option(
    None, "--workers", min=1, max=20000, metavar="N", show_default=False, help="Of the pools (connections + 2)."
)
CPUS = typer.Option("1", "--cpus", metavar="N,...", help="CPU budgets of the server.")
PIN = typer.Option("", "--pin", metavar="SERVER:LOAD", show_default=False, help="CPUs, such as 2-3:0,1 (the last; the first).")
SEED = typer.Option(1, "--seed", metavar="N", help="Of the order inside the rounds.")
RUNNER = typer.Option(
    RunnerName.local, "--runner", show_default=False, help="Servers and load as they are (local), or in containers."
)
OUT = typer.Option(None, "--out", metavar="DIR", show_default=False, help="The results' folder (results/TIME-VERB).")
JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
DRY_RUN = typer.Option(False, "--dry-run", help="Print every external command, ready to paste, and run nothing.")
RESUME = typer.Option(
    None, "--resume", metavar="DIR", show_default=False, help="Go on with an interrupted run; other options are its own."
)
BIN = typer.Option(None, "--bin", metavar="DIR", show_default=False, help="Servers built elsewhere (build/release/bin).")
PRESET = typer.Option("", "--preset", metavar="NAME", show_default=False, help="yardstick: every model beside its peers and its limit.")


@app.command(epilog=EXIT_STATUSES)
def throughput(
    only: str = ONLY,
    peer: list[str] = PEER,
    variant: list[str] = VARIANT,
    preset: str = PRESET,
    workload: str = WORKLOAD,
    connections: str = CONNECTIONS,
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive."),
    pipeline: int = typer.Option(1, "--pipeline", min=1, max=1000, metavar="N", help="Requests sent at once."),
    rate: str = typer.Option("", "--rate", metavar="N,...", show_default=False, help="At these rates as well, for CPU per request."),
    duration: str = DURATION,
    rounds: int = ROUNDS,
    workers: Optional[int] = WORKERS,
    cpus: str = CPUS,
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """How many requests a second, and what does each cost? By wrk: clients that ask again when they are answered."""

    def chosen() -> Settings:
        return Settings(
            contestants=presets.contestants(preset, only, peer, variant),
            workloads=presets.workloads(workload),
            budgets=_budgets(cpus, pin),
            connections=_numbers("--connections", connections, 1, 10000),
            rates=_rates(rate) if rate else presets.rates(preset),
            keep_alive=not fresh,
            pipeline=pipeline,
            rounds=rounds,
            duration=_seconds(duration),
            seed=seed,
            workers=workers,
            preset=preset,
            runner=runner.value,
            pace=_pace(runner, binaries),
        )

    _trials("throughput", chosen, out, resume, json, dry_run, binaries)


@app.command(epilog=EXIT_STATUSES)
def latency(
    rate: str = typer.Option("1000", "--rate", metavar="N,...", help="Requests a second, the same for everybody."),
    slo: list[str] = typer.Option(
        [], "--slo", metavar="QUANTILE=TIME", show_default=False, help="A gate, such as p99=5ms; repeat it. Missed: exit 3."
    ),
    only: str = ONLY,
    peer: list[str] = PEER,
    variant: list[str] = VARIANT,
    preset: str = PRESET,
    workload: str = WORKLOAD,
    connections: str = CONNECTIONS,
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive."),
    duration: str = DURATION,
    rounds: int = ROUNDS,
    workers: Optional[int] = WORKERS,
    cpus: str = CPUS,
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """How long does a request take at a constant rate, counted from when it was due? By quartet-pace."""

    def chosen() -> Settings:
        return Settings(
            contestants=presets.contestants(preset, only, peer, variant),
            workloads=presets.workloads(workload),
            budgets=_budgets(cpus, pin),
            connections=_numbers("--connections", connections, 1, 10000),
            rates=_rates(rate),
            closed=False,
            keep_alive=not fresh,
            rounds=rounds,
            duration=_seconds(duration),
            seed=seed,
            workers=workers,
            preset=preset,
            runner=runner.value,
            pace=_pace(runner, binaries),
            gates=tuple(map(gates.parse, slo)),
        )

    _trials("latency", chosen, out, resume, json, dry_run, binaries)


@app.command("aa", epilog=EXIT_STATUSES)
def against_itself(
    only: str = typer.Option("epoll", metavar="NAME", help="The contestant."),
    tries: int = typer.Option(20, "--tries", min=20, max=1000, metavar="N", help="Each of --rounds rounds."),
    workload: str = WORKLOAD,
    connections: str = CONNECTIONS,
    duration: str = typer.Option("1s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds."),
    rounds: int = typer.Option(6, "--rounds", min=6, max=1000, metavar="N", help="Of each try."),
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """Does the instrument see a difference where there is none? A contestant against itself, 20 times."""

    def chosen() -> Settings:
        return aa.settings(
            presets.contestants("", only, [], []),
            tries=tries,
            rounds=rounds,
            workloads=presets.workloads(workload),
            budgets=_budgets("1", pin),
            connections=_numbers("--connections", connections, 1, 10000),
            duration=_seconds(duration),
            seed=seed,
            runner=runner.value,
            pace=_pace(runner, binaries),
        )

    _trials("aa", chosen, out, resume, json, dry_run, binaries)


@app.command("compare", epilog=EXIT_STATUSES)
def compare_folders(
    a: Path = typer.Argument(..., metavar="A", help="A results folder: before."),
    b: Path = typer.Argument(..., metavar="B", help="Another: after."),
    margin: float = typer.Option(0.0, "--margin", min=0, max=100, metavar="PERCENT", help="Worse by less is no regression."),
    metric: str = typer.Option(
        "throughput,cpu,latency p99", "--metric", metavar="NAME,...", help="What is compared, as in cells.csv."
    ),
    json: bool = JSON,
) -> None:
    """What has changed between two runs? Exit 3 when something got worse."""
    with _stopping():
        found = comparison.compare(folder.load(a), folder.load(b), metric.split(","), margin / 100)
        print(comparison.to_json(found) if json else comparison.render(found, str(a), str(b), width()), end="")
        raise typer.Exit(Exit.gate if any(one.regressed for one in found.changes) else Exit.ok)


@app.command("list")
def list_all(json: bool = JSON) -> None:
    """Who and what can be measured: contestants, workloads, metrics; results that are there."""
    print(listing.to_json(BINARIES) if json else listing.render(BINARIES, environment.ROOT / "results", width()), end="")


# --- what the verbs share


class _stopping:
    """Turns what ends a verb into its sentence and its exit status."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case Stop():
                _stop(error.status, str(error))
            case folder.FolderError() | ValueError():
                _stop(Exit.usage, str(error))


def _stop(status: Exit, sentence: str) -> NoReturn:
    print(f"loadtest/quartet: {sentence}", file=sys.stderr)
    raise typer.Exit(status)


def _trials(
    verb: str,
    chosen: Callable[[], Settings],
    out: Path | None,
    resume: Path | None,
    as_json: bool,
    dry_run: bool,
    binaries: Path | None,
) -> None:
    with _stopping():
        earlier = _earlier(verb, resume, out)
        settings = earlier.settings if earlier else chosen()
        _refuse(settings, binaries)
        if dry_run:
            print("\n".join(trial_commands.lines(settings, binaries or BINARIES)))
            raise typer.Exit(Exit.ok)
        directory = (resume or out or new_directory(verb)).absolute()
        place = _place(settings.runner, binaries or BINARIES, directory / "servers.log")
        raise typer.Exit(_session(verb, settings, earlier, place, directory, as_json).run())


def _session(
    verb: str, settings: Settings, earlier: TrialResults | None, place: Place, directory: Path, as_json: bool
) -> Session[TrialResults]:
    return Session(
        place=place,
        directory=directory,
        executables=trial_commands.executables(settings),
        load_cpus=next(iter(settings.budgets.values())).load,
        begin=lambda stamp: trial_commands.begin(verb, settings, earlier, stamp),
        execute=lambda found, save: trial_commands.execute(found, place, directory, save),
        render=aa.render if verb == "aa" else report_trials.render,
        status=aa.status if verb == "aa" else status,
        as_json=as_json,
    )


def status(found: TrialResults) -> Exit:
    """A failure says more than a missed gate, and that more than a cell without a number."""
    if found.failures:
        return Exit.failed
    if gates.breaches(found):
        return Exit.gate
    return Exit.invalid if trial_validity.has_invalid_cell(found) else Exit.ok


def _earlier(verb: str, resume: Path | None, out: Path | None) -> TrialResults | None:
    if resume is None:
        return None
    if out is not None:
        raise ValueError("--resume goes on in its own folder; --out is for a new run")
    found = folder.load(resume)
    if not isinstance(found, TrialResults) or found.verb != verb:
        raise ValueError(f"--resume {resume}: these are results of {found.verb}, not of {verb}")
    return found


def _refuse(settings: Settings, binaries: Path | None) -> None:
    """What cannot be done, before anything is started."""
    if settings.runner == "docker" and binaries:
        raise ValueError("--bin is for --runner local; Docker's image has servers of its own")
    if settings.runner == "docker" and (absent := [one.name for one in settings.contestants if not one.ours]):
        raise ValueError(f"{absent[0]} is not in the images: peers and limits are for --runner local")
    if settings.pipeline > 1 and not settings.keep_alive:
        raise ValueError("--pipeline takes kept connections, not --fresh ones")
    if len({one.name for one in settings.contestants}) < len(settings.contestants):
        raise ValueError("a contestant is there twice")
    if not any(one.kind != Kind.limit or settings.workloads for one in settings.contestants):
        raise ValueError("nobody is there to be measured")


def _place(runner: str, binaries: Path, log: Path) -> Place:
    return Containers(log) if runner == "docker" else Local(binaries, log)


def _pace(runner: RunnerName, binaries: Path | None) -> str:
    return "quartet-pace" if runner == RunnerName.docker else str((binaries or BINARIES) / "quartet-pace")


def _budgets(cpus: str, pin: str) -> dict[int, CpuSets]:
    if pin:
        sets = parse_pin(pin, os.sched_getaffinity(0))
        return {len(sets.server): sets}
    return {budget: split(os.sched_getaffinity(0), budget) for budget in _numbers("--cpus", cpus, 1, 4096)}


def _numbers(option: str, text: str, least: int, most: int) -> tuple[int, ...]:
    """From "1,16,64", in that order."""
    if not re.fullmatch(r"\d{1,7}(,\d{1,7})*", text):
        raise ValueError(f"{option} {text}: expected whole numbers, such as 1,16,64")
    numbers = tuple(dict.fromkeys(map(int, text.split(","))))
    wrong = [number for number in numbers if not least <= number <= most]
    if wrong:
        raise ValueError(f"{option} {wrong[0]}: expected {least} to {most}")
    return numbers


def _rates(text: str) -> tuple[float, ...]:
    return tuple(map(float, _numbers("--rate", text, 1, 10_000_000)))


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,3})s?", text)
    if not found:
        raise ValueError(f"--duration {text}: wrk takes whole seconds, such as 2s")
    return int(found[1])


if __name__ == "__main__":
    app(prog_name="loadtest/quartet")
