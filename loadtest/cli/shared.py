"""The options that verbs share, each declared once: a verb takes a whole group of them as one parameter."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Optional

import typer

from loadtest.system.repository import ROOT

BINARIES = ROOT / "build/release/bin"

JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
BIN = typer.Option(
    None, "--bin", metavar="DIR", show_default=False, help="Servers built elsewhere (build/release/bin)."
)
ONLY = typer.Option("", metavar="NAME,...", show_default=False, help="These contestants; `list` names them.")
WORKLOAD = typer.Option("plaintext", metavar="NAME,...", help="What is asked for; `list` names them.")
CONNECTIONS = typer.Option("16", "-c", "--connections", metavar="N,...", help="At a time, such as 1,16,64,256.")
PIN = typer.Option(
    "", "--pin", metavar="SERVER:LOAD", show_default=False, help="CPUs, such as 2-3:0,1 (the last; the first)."
)
SEED = typer.Option(1, "--seed", metavar="N", help="Of the order inside the rounds.")


class RunnerName(str, Enum):
    local = "local"
    docker = "docker"


@dataclass(frozen=True)
class Invocation:
    """Of every verb that measures: where it runs, and what becomes of the results."""

    runner: RunnerName = typer.Option(
        RunnerName.local, "--runner", show_default=False, help="Servers and load as they are (local), or in containers."
    )
    out: Optional[Path] = typer.Option(
        None, "--out", metavar="DIR", show_default=False, help="The results' folder (results/TIME-VERB)."
    )
    json: bool = JSON
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print every external command, ready to paste, and measure nothing."
    )
    resume: Optional[Path] = typer.Option(
        None, "--resume", metavar="DIR", show_default=False, help="Go on with an interrupted run, by its own options."
    )
    bin: Optional[Path] = BIN

    @property
    def binaries(self) -> Path:
        return self.bin or BINARIES

    @property
    def pace(self) -> str:
        """quartet-pace, where the load runs."""
        return "quartet-pace" if self.runner == RunnerName.docker else str(self.binaries / "quartet-pace")


@dataclass(frozen=True)
class Chosen:
    """Who is measured."""

    only: str = ONLY
    peer: list[str] = typer.Option(
        [], "--peer", metavar="NAME", show_default=False, help="A production server as well; repeat it."
    )
    variant: list[str] = typer.Option(
        [], "--variant", metavar="COMMAND", show_default=False, help="Ours with options, 'quartet-epoll --workers 1'."
    )
    preset: str = typer.Option(
        "",
        "--preset",
        metavar="NAME",
        show_default=False,
        help="yardstick: every model beside its peers and its bare server.",
    )


@dataclass(frozen=True)
class Load:
    """What they are asked to do."""

    workload: str = WORKLOAD
    connections: str = CONNECTIONS
    fresh: bool = typer.Option(False, "--fresh", help="A connection for each request: no keep-alive.")
    duration: str = typer.Option("2s", "-d", "--duration", metavar="TIME", help="Of each load, in whole seconds.")
    rounds: int = typer.Option(
        6, "--rounds", min=1, max=1000, metavar="N", help="Interleaved; fewer than 6 are indicative."
    )
    workers: Optional[int] = typer.Option(
        None, "--workers", min=1, max=20000, metavar="N", show_default=False, help="Of the pools (connections + 2)."
    )
    cpus: str = typer.Option("1", "--cpus", metavar="N,...", help="CPU budgets of the server.")
    pin: str = PIN
    seed: int = SEED


def with_groups(verb: Callable[..., None]) -> Callable[..., None]:
    """For typer: each parameter whose type is a dataclass stands for the options that are its fields."""
    hints = typing.get_type_hints(verb)
    groups = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}

    @functools.wraps(verb)
    def called(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
        verb(**given)

    del called.__wrapped__  # type: ignore[attr-defined]  # inspect would look through it
    parameters = [one for name in inspect.signature(verb).parameters for one in _parameters(verb, name, hints[name])]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def _parameters(verb: Callable[..., None], name: str, kind: Any) -> list[inspect.Parameter]:
    if not dataclasses.is_dataclass(kind):
        default = inspect.signature(verb).parameters[name].default
        return [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)]
    hints = typing.get_type_hints(kind)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(kind)
    ]
