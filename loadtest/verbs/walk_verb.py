"""The verb walk: the system calls of one request."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Optional

import typer

from loadtest import output, text
from loadtest.places import launch
from loadtest.places.local import Local
from loadtest.results import Environment
from loadtest.session import Exit, Progress, Session, Stop, claim
from loadtest.verbs import options, presets
from loadtest.verbs.options import BIN, BINARIES, DRY_RUN, JSON, ONLY, OUT, PEER, PIN, PRESET, RESUME, VARIANT
from loadtest.walk import strace, walk_report, walk_runner
from loadtest.walk.walk_runner import WalkResults, WalkSettings


def walk(
    only: str = ONLY,
    peer: list[str] = PEER,
    variant: list[str] = VARIANT,
    preset: str = PRESET,
    path: str = typer.Option("/plaintext", "--path", metavar="PATH", help="What is asked for."),
    pin: str = PIN,
    out: Optional[Path] = OUT,
    json: bool = JSON,
    dry_run: bool = DRY_RUN,
    resume: Optional[Path] = RESUME,
    binaries: Optional[Path] = BIN,
) -> None:
    """Which system calls does one request make, in every model? By strace, with a client that is never in a hurry."""
    with options.stopping():
        if not path.startswith("/"):
            raise ValueError(f"--path {path}: expected a path, such as /plaintext")
        earlier = options.earlier(WalkResults, "walk", resume, out)
        contestants = presets.contestants(preset, only, peer, variant)
        settings = earlier.settings if earlier else WalkSettings(contestants, options.one_budget(pin), path)
        if dry_run:
            here = binaries or BINARIES
            output.show("\n".join(_commands(options.for_dry_run(settings, here), here)) + "\n")
            raise typer.Exit(Exit.ok)
        if sentence := strace.missing():
            raise Stop(Exit.environment, sentence)
        directory = claim(resume, out, "walk")
    options.finish(_session(settings, earlier, directory, binaries or BINARIES, json))


def _session(
    settings: WalkSettings, earlier: WalkResults | None, directory: Path, binaries: Path, as_json: bool
) -> Session[WalkResults]:
    place = Local(binaries, directory / "servers.log")
    progress = Progress([walk_runner.SECONDS] * len(settings.contestants))
    return Session(
        place=place,
        directory=directory,
        executables=sorted({one.executable for one in settings.contestants}),
        load_cpus=settings.cpus.load,
        begin=lambda stamp: _begin(settings, earlier, stamp, place),
        execute=lambda found, save: walk_runner.execute(found, place, directory, save, progress.show),
        render=_render,
        status=lambda found: Exit.failed if found.failures else Exit.ok,
        as_json=as_json,
    )


def _begin(settings: WalkSettings, earlier: WalkResults | None, stamp: Environment, place: Place) -> WalkResults:
    if earlier is None:
        return WalkResults("walk", stamp, options.described(settings, place))
    options.refuse_other_software(earlier.environment, stamp)
    earlier.failures = []  # they are tried again
    return earlier


def _render(found: WalkResults, width: int) -> str:
    return walk_report.render(found.walks, width) + text.closing(found)


def _commands(settings: WalkSettings, binaries: Path) -> list[str]:
    """Of each server, and of strace on it."""
    lines = []
    for contestant in settings.contestants:
        workers = walk_runner.WORKERS
        _, argv = launch.example(contestant, binaries, settings.cpus, workers=workers, connections=workers)
        lines += [f"# {contestant.name}", shlex.join(argv), strace.example()]
    return lines
