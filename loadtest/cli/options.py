"""The options that verbs share, each declared once: a verb takes a whole group of them as one parameter. And what their
texts mean; those functions raise ValueError with the option and what was expected."""

import dataclasses
import functools
import inspect
import os
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Optional

import typer

from loadtest.contestants.contestants import Contestant
from loadtest.system.cpu_sets import CpuSets, parse_pin, split
from loadtest.system.repository import ROOT
from loadtest.verbs.load import presets
from loadtest.verbs.memory import clients as memory_clients

BINARIES = ROOT / "build/release/bin"
LEVELS = ",".join(map(str, memory_clients.LEVELS))

plain = functools.partial(typer.Option, show_default=False)  # --help shows no default of it
number = functools.partial(typer.Option, metavar="N")

JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
BIN = plain(None, "--bin", metavar="DIR", help="Servers built elsewhere (build/release/bin).")
WORKLOAD = typer.Option("plaintext", metavar="NAME,...", help="What is asked for; `list` names them.")
CONNECTIONS = typer.Option("16", "-c", "--connections", metavar="N,...", help="At a time, such as 1,16,64,256.")
PIN = plain("", metavar="SERVER:LOAD", help="CPUs, such as 2-3:0,1 (the last; the first).")
DURATION = typer.Option("1s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
SEED = number(1, help="Of the order inside the rounds.")


class RunnerName(str, Enum):
    local = "local"
    docker = "docker"


@dataclass(frozen=True)
class Invocation:
    """Of every verb that measures: where it runs, and what becomes of the results."""

    runner: RunnerName = plain(RunnerName.local, help="Servers and load as they are (local), or in containers.")
    out: Optional[Path] = plain(None, metavar="DIR", help="The results' folder (results/TIME-VERB).")
    json: bool = JSON
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print every external command, ready to paste, and measure nothing."
    )
    resume: Optional[Path] = plain(None, metavar="DIR", help="Go on with an interrupted run, by its own options.")
    bin: Optional[Path] = BIN

    @property
    def binaries(self) -> Path:
        return self.bin or BINARIES

    @property
    def settings(self) -> dict[str, Any]:
        """What all settings take of it. quartet-pace is where the load runs."""
        in_docker = self.runner == RunnerName.docker
        pace = "quartet-pace" if in_docker else str(self.binaries / "quartet-pace")
        return {"runner": self.runner.value, "pace": pace}


@dataclass(frozen=True)
class Chosen:
    """Who is measured."""

    only: str = plain("", metavar="NAME,...", help="These contestants; `list` names them.")
    peer: list[str] = plain([], metavar="NAME", help="A production server as well; repeat it.")
    variant: list[str] = plain([], metavar="COMMAND", help="Ours with options, 'quartet-epoll --workers 1'.")
    preset: str = plain("", metavar="NAME", help="yardstick: every model beside its peers and its bare server.")

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        return presets.contestants(self.preset, self.only, self.peer, self.variant)


@dataclass(frozen=True)
class Load:
    """What they are asked to do."""

    workload: str = WORKLOAD
    connections: str = CONNECTIONS
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive.")
    duration: str = typer.Option("2s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
    rounds: int = number(6, min=1, max=1000, help="Interleaved; fewer than 6 are indicative.")
    workers: Optional[int] = plain(None, min=1, max=20000, metavar="N", help="Of the pools (connections + 2).")
    cpus: str = typer.Option("1", metavar="N,...", help="CPU budgets of the server.")
    pin: str = PIN
    seed: int = SEED


@dataclass(frozen=True)
class Tries:
    """Of the instrument against itself."""

    only: str = typer.Option("epoll", metavar="NAME", help="The contestant.")
    tries: int = number(20, min=20, max=1000, help="Each of --rounds rounds.")
    workload: str = WORKLOAD
    connections: str = CONNECTIONS
    duration: str = DURATION
    rounds: int = number(6, min=6, max=1000, help="Of each try.")
    pin: str = PIN
    seed: int = SEED


@dataclass(frozen=True)
class Idle:
    """What they hold."""

    connections: str = typer.Option(
        LEVELS, "-c", "--connections", metavar="N,...", help="Idle ones; each level has its own server."
    )
    ballast: int = typer.Option(0, min=0, max=100_000, metavar="MIB", help="Memory that ours have.")
    workers: int = number(1000, min=1, max=20_000, help="Of the largest pool tried: one for each connection.")
    rounds: int = number(3, min=1, max=1000, help="Interleaved.")
    pin: str = PIN
    seed: int = SEED


def with_groups(verb: Callable[..., Any]) -> Callable[..., Any]:
    """For typer: each parameter whose type is a dataclass stands for the options that are its fields."""
    groups: dict[str, list[str]] = {}
    parameters: list[inspect.Parameter] = []
    hints = typing.get_type_hints(verb)
    for name, given in inspect.signature(verb).parameters.items():
        options = [(name, given.default, hints[name])]
        if dataclasses.is_dataclass(kind := hints[name]):
            of_fields = typing.get_type_hints(kind)
            options = [(field.name, field.default, of_fields[field.name]) for field in dataclasses.fields(kind)]
            groups[name] = [option for option, _, _ in options]
        parameters += [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for option, default, annotation in options
        ]

    @functools.wraps(verb)
    def called(**given: Any) -> Any:
        for name, options in groups.items():
            given[name] = hints[name](**{option: given.pop(option) for option in options})
        return verb(**given)

    del called.__wrapped__  # type: ignore[attr-defined]  # inspect would look through it
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def one_budget(pin: str) -> CpuSets:
    return next(iter(budgets("1", pin).values()))


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


def rates(text: str) -> tuple[float, ...]:
    return tuple(map(float, numbers("--rate", text, 1, 10_000_000)))


def seconds(text: str) -> int:
    if not (found := re.fullmatch(r"([1-9][0-9]{0,3})s?", text)):
        raise ValueError(f"--duration {text}: wrk takes whole seconds, such as 2s")
    return int(found[1])
