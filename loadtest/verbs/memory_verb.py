"""The verb memory: idle connections, and what forked workers share."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import typer

from loadtest import output
from loadtest.idle import idle, idle_clients, report_idle
from loadtest.idle.idle import IdleResults, IdleSettings
from loadtest.idle.idle_runner import IdleRunner
from loadtest.places import launch
from loadtest.places.containers import Containers
from loadtest.places.local import Local
from loadtest.places.place import Place
from loadtest.results import Environment
from loadtest.session import Exit, Progress, Session, claim
from loadtest.verbs import options, presets
from loadtest.verbs.options import (
    BIN,
    BINARIES,
    DRY_RUN,
    JSON,
    ONLY,
    OUT,
    PEER,
    PIN,
    PRESET,
    RESUME,
    RUNNER,
    SEED,
    VARIANT,
    RunnerName,
)


def memory(
    connections: str = typer.Option(
        "0,100,1000,5000,10000", "-c", "--connections", metavar="N,...", help="Idle ones; each level has its own server."
    ),
    only: str = ONLY,
    peer: list[str] = PEER,
    variant: list[str] = VARIANT,
    preset: str = PRESET,
    ballast: int = typer.Option(0, "--ballast", min=0, max=100_000, metavar="MIB", help="Memory that ours have."),
    workers: int = typer.Option(
        1000, "--workers", min=1, max=20_000, metavar="N", help="Of the largest pool tried: one for each connection."
    ),
    rounds: int = typer.Option(3, "--rounds", min=1, max=1000, metavar="N", help="Interleaved."),
    pin: str = PIN,
    seed: int = SEED,
    runner: RunnerName = RUNNER,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """What does an idle connection cost, and for how long does a forked worker share its parent's memory?"""
    with options.stopping():
        earlier = options.earlier(IdleResults, "memory", resume, out)
        settings = earlier.settings if earlier else IdleSettings(
            contestants=presets.contestants(preset, only, peer, variant),
            cpus=options.one_budget(pin),
            levels=options.numbers("--connections", connections, 0, 100_000),
            rounds=rounds,
            seed=seed,
            ballast=ballast,
            most_workers=workers,
            pace=options.pace(runner, binaries),
            runner=runner.value,
        )
        options.refuse_places(settings.runner, settings.contestants, binaries)
        if dry_run:
            here = binaries or BINARIES
            output.show("\n".join(_commands(options.for_dry_run(settings, here), here)) + "\n")
            raise typer.Exit(Exit.ok)
        directory = claim(resume, out, "memory")
    options.finish(_session(settings, earlier, directory, binaries or BINARIES, json))


def _session(
    settings: IdleSettings, earlier: IdleResults | None, directory: Path, binaries: Path, as_json: bool
) -> Session[IdleResults]:
    log = directory / "servers.log"
    place: Place = Containers(log) if settings.runner == "docker" else Local(binaries, log)
    return Session(
        place=place,
        directory=directory,
        executables=sorted({*(one.executable for one in settings.contestants), "quartet-pace"}),
        load_cpus=settings.cpus.load,
        begin=lambda stamp: _begin(settings, earlier, stamp, place),
        execute=lambda found, save: _execute(found, place, directory, save),
        render=report_idle.render,
        status=lambda found: Exit.failed if found.failures else Exit.ok,
        as_json=as_json,
    )


def _execute(found: IdleResults, place: Place, directory: Path, save: Callable[[], None]) -> None:
    progress = Progress([idle.seconds(found.settings, step) for step in idle.steps(found.settings)])

    def show(index: int, step: idle.Step) -> None:
        progress.show(index, idle.describe(step))

    IdleRunner(place, found, directory, save, show).run()


def _begin(settings: IdleSettings, earlier: IdleResults | None, stamp: Environment, place: Place) -> IdleResults:
    if earlier is None:
        return IdleResults("memory", stamp, options.described(settings, place))
    options.refuse_other_software(earlier.environment, stamp)
    return earlier


def _commands(settings: IdleSettings, binaries: Path) -> list[str]:
    """Of every level once, and of the looks at copy-on-write; then how long it takes."""
    todo = list(idle.steps(settings))
    shown = [line for step in todo if getattr(step, "round", 1) == 1 for line in _of_step(settings, step, binaries)]
    total = sum(idle.seconds(settings, step) for step in todo)
    return [*shown[1:], "", f"# {len(todo)} steps, about {total:.0f} s"]


def _of_step(settings: IdleSettings, step: idle.Step, binaries: Path) -> list[str]:
    address, server = launch.example(
        idle.held_by(settings, step),
        binaries,
        settings.cpus,
        workers=idle.workers(settings, step),
        connections=getattr(step, "connections", 0),
        more=idle.more_options(step),
    )
    load = idle_clients.commands(address, settings, step)
    return ["", f"# {idle.describe(step)}", shlex.join(server), *map(shlex.join, load)]
