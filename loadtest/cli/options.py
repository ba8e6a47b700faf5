"""The options that verbs share, each declared once: a verb takes a whole group of them as one parameter. And what their
texts mean; those functions raise ValueError with the option and what was expected."""

import functools
import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Optional

import click
import typer
from click.core import ParameterSource

from loadtest.contestants.contestants import Contestant
from loadtest.engine import environment, provision
from loadtest.system import ROOT, output
from loadtest.system.cpus import CpuSets, parse_pin, split
from loadtest.verbs.load import presets

BINARIES = ROOT / "build/release/bin"

plain = functools.partial(typer.Option, show_default=False)  # --help shows no default of it
number = functools.partial(typer.Option, metavar="N")

JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
BIN = plain(None, "--bin", metavar="DIR", help="Servers built elsewhere (build/release/bin).")
PIN = plain("", metavar="SERVER:LOAD", help="CPUs, such as 2-3:0,1 (the last; the first).")
DURATION = typer.Option("1s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
ALL = typer.Option(False, "--all", help="The models that servers and runtimes combine, too.")
SEED = number(1, help="Of the order inside the rounds.")


class RunnerName(str, Enum):
    local = "local"
    docker = "docker"


class Restart(str, Enum):
    no = "no"
    on_failure = "on-failure"


class ClientName(str, Enum):
    wrk = "wrk"
    pace = "pace"


class PresetName(str, Enum):
    quick = "quick"
    full = "full"


class Arrivals(str, Enum):
    even = "even"
    poisson = "poisson"


ARRIVALS = typer.Option(Arrivals.poisson, "--arrivals", help="At a rate: as of independent clients, or even.")


@dataclass(frozen=True)
class Invocation:
    """Of every verb that measures: where it runs, and what becomes of the results."""

    runner: RunnerName = plain(RunnerName.local, help="Servers and load as they are (local), or in containers.")
    out: Optional[Path] = plain(None, metavar="DIR", help="The results' folder (results/TIME-VERB).")
    json: bool = JSON
    dry_run: bool = typer.Option(False, "--dry-run", help="Print every command, ready to paste, and measure nothing.")
    resume: Optional[Path] = plain(None, metavar="DIR", help="Go on with an interrupted run, by its own options.")
    bin: Optional[Path] = BIN

    @property
    def binaries(self) -> Path:
        return self.bin or BINARIES

    @property
    def settings(self) -> dict[str, Any]:
        """What all settings take of it. quartet-pace is where the load runs."""
        pace = "quartet-pace" if self.runner == RunnerName.docker else str(self.binaries / "quartet-pace")
        return {"runner": self.runner.value, "pace": pace}


@dataclass(frozen=True)
class Chosen:
    """Who is measured."""

    only: str = plain("", metavar="NAME,...", help="These contestants; `list` names them.")
    peer: list[str] = plain([], metavar="NAME", help="A production server as well; repeat it.")
    variant: list[str] = plain([], metavar="COMMAND", help="Ours with options, 'quartet-epoll --workers 1'.")
    every_model: bool = ALL
    preset: str = plain("", metavar="NAME", help="yardstick: each model beside its peers and its bare server.")

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        found = presets.contestants(self.preset, self.only, self.peer, self.variant, self.every_model)
        absent = provision.not_to_be_had() - {*self.peer} if self.preset else set()
        for name in [one.name for one in found if one.name in absent]:
            output.tell(f"{environment.program()}: {name} is left out: this release has no package of it")
        return tuple(one for one in found if one.name not in absent)


@dataclass(frozen=True)
class Load:
    """What they are asked to do."""

    workload: str = typer.Option("plaintext", metavar="NAME,...", help="What is asked for; `list` names them.")
    connections: str = typer.Option("16", "-c", "--connections", metavar="N,...", help="At a time, as 1,16,64.")
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive.")
    duration: str = typer.Option("2s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
    rounds: int = number(10, min=1, max=1000, help="Interleaved; 10 tell six apart (11 nine), below 6 indicative.")
    workers: Optional[int] = plain(None, min=1, max=20000, metavar="N", help="Of the pools (connections + 2).")
    cpus: str = typer.Option("1", metavar="N,...", help="CPU budgets of the server.")
    pin: str = PIN
    seed: int = SEED


@dataclass(frozen=True)
class Faults:
    """What is done to servers."""

    fault: list[str] = plain([], metavar="NAME[?PARAMETERS]", help="Such as segv, or spin?ms=300; repeat it.")
    matrix: bool = typer.Option(False, "--matrix", help="Every fault of the catalogue.")
    asan: bool = typer.Option(False, "--asan", help="Also in servers with AddressSanitizer, what that may change.")
    script: Optional[Path] = plain(None, metavar="FILE", help="Loads and faults at their times, for one server each.")


@dataclass(frozen=True)
class Keeper:
    """Who is to bring a server back when it has ended."""

    supervised: bool = typer.Option(False, "--supervised", help="Under --supervise, where a model has no parent.")
    restart: Restart = plain(Restart.no, "--restart", help="Docker's policy for a server that has failed (no).")

    def restarts(self, runner: RunnerName) -> bool:
        """Whether Docker does. Raises ValueError."""
        if self.restart == Restart.no:
            return False
        if runner != RunnerName.docker:
            raise ValueError(f"--restart {self.restart.value} is Docker's to do; it takes --runner docker")
        if self.supervised:
            raise ValueError(f"--restart {self.restart.value} and --supervised: one at a time brings a server back")
        return True


@dataclass(frozen=True)
class Tries(Load):
    """Of the instrument against itself."""

    only: str = typer.Option("epoll", metavar="NAME", help="The contestant.")
    tries: int = number(20, min=20, max=1000, help="Each of --rounds rounds.")
    duration: str = DURATION
    rounds: int = number(6, min=6, max=1000, help="Of each try.")


def given(name: str) -> bool:
    """Whether the option of that parameter is on the command line, even with the value that it has by default."""
    return click.get_current_context().get_parameter_source(name) != ParameterSource.DEFAULT


def budgets(cpus: str, pin: str) -> dict[int, CpuSets]:
    if pin and cpus != "1":
        raise ValueError(f"--cpus {cpus} and --pin {pin}: the pinned CPUs are the budget; give one of them")
    available = os.sched_getaffinity(0)
    if pin:
        sets = parse_pin(pin, available)
        return {len(sets.server): sets}
    return {budget: split(available, budget) for budget in numbers("--cpus", cpus, 1, 4096)}


def numbers(option: str, text: str, least: int, most: int) -> tuple[int, ...]:
    """From "1,16,64", in that order."""
    if not re.fullmatch(r"\d{1,7}(,\d{1,7})*", text):
        raise ValueError(f"{option} {text}: expected whole numbers, such as 1,16,64")
    found = tuple(dict.fromkeys(map(int, text.split(","))))
    if wrong := [number for number in found if not least <= number <= most]:
        raise ValueError(f"{option} {wrong[0]}: expected {least} to {most}")
    return found


def seconds(text: str) -> int:
    if not (found := re.fullmatch(r"([1-9][0-9]{0,3})s?", text)):
        raise ValueError(f"--duration {text}: wrk takes whole seconds, such as 2s")
    return int(found[1])
