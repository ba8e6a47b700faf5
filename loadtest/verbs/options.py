"""The options that verbs share, each with one spelling, and what their texts mean."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import NoReturn, TypeVar

import click
import typer
import typer.core

from loadtest import contestants, environment, folder, output
from loadtest.contestants import Contestant
from loadtest.idle.idle import IdleSettings
from loadtest.job.plan import Plan
from loadtest.places.local import Local
from loadtest.places.place import Place
from loadtest.results import Environment, MeasurementError
from loadtest.session import Exit, Session, Stop, lock, refuse_used
from loadtest.system.cpu_sets import CpuSets, parse_pin, split
from loadtest.trial.trials import Settings
from loadtest.walk.walk_runner import WalkSettings

EXIT_STATUSES = """Exit status: 0 measured; 1 failed (a server did not start, drain or answer; the disk or stdout
took no more); 2 usage; 3 a gate was not met, or a regression; 4 measured, but some cell is
invalid; 5 something is missing here (a package, a binary);
130 interrupted: what was measured is kept, and --resume DIR goes on."""

BINARIES = environment.ROOT / "build/release/bin"


class RunnerName(str, Enum):
    local = "local"
    docker = "docker"


class Command(typer.core.TyperCommand):
    """Some versions of typer escape brackets for rich although they print without it."""

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx).replace("\\[", "[")


ONLY = typer.Option("", metavar="NAME,...", show_default=False, help="These contestants; `list` names them.")
PEER = typer.Option([], "--peer", metavar="NAME", show_default=False, help="A production server as well; repeat it.")
VARIANT = typer.Option(
    [], "--variant", metavar="COMMAND", show_default=False, help="Ours with options, 'quartet-epoll --workers 1'."
)
WORKLOAD = typer.Option("plaintext", metavar="NAME,...", help="What is asked for; `list` names them.")
CONNECTIONS = typer.Option("16", "-c", "--connections", metavar="N,...", help="At a time, such as 1,16,64,256.")
DURATION = typer.Option("2s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
ROUNDS = typer.Option(6, "--rounds", min=1, max=1000, metavar="N", help="Interleaved; fewer than 6 are indicative.")
WORKERS = typer.Option(
    None, "--workers", min=1, max=20000, metavar="N", show_default=False, help="Of the pools (connections + 2)."
)
CPUS = typer.Option("1", "--cpus", metavar="N,...", help="CPU budgets of the server.")
PIN = typer.Option(
    "", "--pin", metavar="SERVER:LOAD", show_default=False, help="CPUs, such as 2-3:0,1 (the last; the first)."
)
SEED = typer.Option(1, "--seed", metavar="N", help="Of the order inside the rounds.")
RUNNER = typer.Option(
    RunnerName.local, "--runner", show_default=False, help="Servers and load as they are (local), or in containers."
)
OUT = typer.Option(None, "--out", metavar="DIR", show_default=False, help="The results' folder (results/TIME-VERB).")
JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
DRY_RUN = typer.Option(False, "--dry-run", help="Print every external command, ready to paste, and measure nothing.")
RESUME = typer.Option(
    None, "--resume", metavar="DIR", show_default=False, help="Go on with an interrupted run, by its own options."
)
BIN = typer.Option(
    None, "--bin", metavar="DIR", show_default=False, help="Servers built elsewhere (build/release/bin)."
)
PRESET = typer.Option(
    "", "--preset", metavar="NAME", show_default=False, help="yardstick: every model beside its peers and its bare server."
)


Kept = TypeVar("Kept", bound=folder.AnyResults)
Chosen = TypeVar("Chosen", Plan, Settings, IdleSettings, WalkSettings)


class stopping:
    """Turns what ends a verb into its sentence and its exit status."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case Stop():
                stop(error.status, str(error))
            case folder.FolderError() | ValueError():
                stop(Exit.usage, str(error))


def finish(session: Session[Kept]) -> NoReturn:
    """Runs it. Here a ValueError is a fault of ours, with a traceback, and no usage error."""
    try:
        status = session.run()
    except Stop as error:
        stop(error.status, str(error))
    raise typer.Exit(status)


def stop(status: Exit, sentence: str) -> NoReturn:
    output.tell(f"{environment.program()}: {sentence}")
    raise typer.Exit(status)


def earlier(kind: type[Kept], verb: str, resume: Path | None, out: Path | None) -> Kept | None:
    """The results to go on with, which nobody else goes on with then. Raises ValueError, FolderError and Stop."""
    if resume is None:
        if out is not None:
            refuse_used(out)
        return None
    if out is not None:
        raise ValueError("--resume goes on in its own folder; --out is for a new run")
    if resume.exists():
        lock(folder.home(resume))
    found = folder.load(resume)
    if not isinstance(found, kind) or found.verb != verb:
        raise ValueError(f"--resume {resume}: these are results of {found.verb}, not of {verb}")
    return found


def refuse_other_software(measured: Environment, now: Environment) -> None:
    """Or another machine: their rounds would be compared with those to come. Raises Stop."""
    if difference := _difference(measured, now):
        raise Stop(Exit.usage, f"cannot resume: {difference}; one run cannot hold both")


def _difference(then: Environment, now: Environment) -> str:
    """What has changed since then; mostly nothing."""
    for name in ("commit", "cpu_model", "cpus", "kernel", "runner"):
        if getattr(then, name) != getattr(now, name):
            return f"{name.replace('_', ' ')} was {getattr(then, name)} and is {getattr(now, name)}"
    for program in sorted(then.versions.keys() | now.versions.keys()):
        was, is_now = then.versions.get(program, "absent"), now.versions.get(program, "absent")
        if was != is_now:
            return f"{program} was {was} and is {is_now}"
    return ""


def refuse_places(runner: str, chosen: Sequence[Contestant], binaries: Path | None) -> None:
    """Raises ValueError for what does not run there."""
    if runner == "docker" and binaries:
        raise ValueError("--bin is for --runner local; Docker's image has servers of its own")
    if runner == "docker" and (absent := [one.name for one in chosen if not one.ours]):
        raise ValueError(f"{absent[0]} is not in the images: peers and bare servers are for --runner local")


def described(settings: Chosen, place: Place) -> Chosen:
    """With the facts of its contestants' models, as that place's servers tell them. Raises MeasurementError."""
    return replace(settings, contestants=contestants.described(settings.contestants, place.describe))


def for_dry_run(settings: Chosen, binaries: Path) -> Chosen:
    """Of containers, too, a dry run shows what the servers here would be given. Raises Stop."""
    try:
        return described(settings, Local(binaries, Path(os.devnull)))
    except MeasurementError as error:
        raise Stop(Exit.environment, str(error)) from error


def one_budget(pin: str) -> CpuSets:
    return next(iter(budgets("1", pin).values()))


def pace(runner: RunnerName, binaries: Path | None) -> str:
    return "quartet-pace" if runner == RunnerName.docker else str((binaries or BINARIES) / "quartet-pace")


def budgets(cpus: str, pin: str) -> dict[int, CpuSets]:
    if pin and cpus != "1":
        raise ValueError(f"--cpus {cpus} and --pin {pin}: the pinned CPUs are the budget; give one of them")
    if pin:
        sets = parse_pin(pin, os.sched_getaffinity(0))
        return {len(sets.server): sets}
    return {budget: split(os.sched_getaffinity(0), budget) for budget in numbers("--cpus", cpus, 1, 4096)}


def numbers(option: str, text: str, least: int, most: int) -> tuple[int, ...]:
    """From "1,16,64", in that order."""
    if not re.fullmatch(r"\d{1,7}(,\d{1,7})*", text):
        raise ValueError(f"{option} {text}: expected whole numbers, such as 1,16,64")
    numbers = tuple(dict.fromkeys(map(int, text.split(","))))
    wrong = [number for number in numbers if not least <= number <= most]
    if wrong:
        raise ValueError(f"{option} {wrong[0]}: expected {least} to {most}")
    return numbers


def rates(text: str) -> tuple[float, ...]:
    return tuple(map(float, numbers("--rate", text, 1, 10_000_000)))


def seconds(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,3})s?", text)
    if not found:
        raise ValueError(f"--duration {text}: wrk takes whole seconds, such as 2s")
    return int(found[1])
