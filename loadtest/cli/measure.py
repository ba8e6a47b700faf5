"""What every verb that measures does with its command line: go on or begin, show or run. Raises typer.Exit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import typer

from loadtest.cli.shared import Invocation
from loadtest.engine import environment, folder
from loadtest.engine.claim import claim, earlier
from loadtest.engine.exit import Exit, Stop
from loadtest.engine.run import Part
from loadtest.engine.runner import commands
from loadtest.engine.session import Session, described
from loadtest.engine.verb import Verb
from loadtest.places.containers import Containers
from loadtest.places.local import Local
from loadtest.places.place import Place
from loadtest.system import output
from loadtest.system.errors import MeasurementError


class stopping:
    """Turns what ends a verb into its sentence and its exit status."""

    def __enter__(self) -> None:
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        match error:
            case Stop():
                _stop(error.status, str(error))
            case folder.FolderError() | ValueError():
                _stop(Exit.usage, str(error))


def measure(verb: Verb, invocation: Invocation, chosen: Callable[[], list[Part]], missing: str = "") -> NoReturn:
    """@param chosen: the parts by the command line, where it is no --resume; raises ValueError
    @param missing: what the verb needs and this machine has not, a sentence with the fix"""
    with stopping():
        going_on = earlier(verb, invocation.resume, invocation.out)
        parts = going_on.parts if going_on else chosen()
        for part in parts:
            _refuse_places(part.settings, invocation)
        if invocation.dry_run:
            output.show("\n".join(commands(_for_dry_run(parts, invocation), invocation.binaries)) + "\n")
            raise typer.Exit(Exit.ok)
        if missing:
            raise Stop(Exit.environment, missing)
        directory = claim(invocation.resume, invocation.out, verb.name)
        log = directory / "servers.log"
        place = _place(parts[0].settings, invocation, log)
    _finish(Session(verb, parts, going_on, place, directory, invocation.json))


def _for_dry_run(parts: list[Part], invocation: Invocation) -> list[Part]:
    """Of containers, too, a dry run shows what the servers here would be given. Raises Stop."""
    try:
        return described(parts, Local(invocation.binaries, Path(os.devnull)))
    except MeasurementError as error:
        raise Stop(Exit.environment, str(error)) from error


def _place(settings: Any, invocation: Invocation, log: Path) -> Place:
    if settings.runner == "docker":
        return Containers(log)
    return Local(invocation.binaries, log)


def _finish(session: Session) -> NoReturn:
    """Here a ValueError is a fault of ours, with a traceback, and no usage error."""
    try:
        status = session.run()
    except Stop as error:
        _stop(error.status, str(error))
    raise typer.Exit(status)


def _stop(status: Exit, sentence: str) -> NoReturn:
    output.tell(f"{environment.program()}: {sentence}")
    raise typer.Exit(status)


def _refuse_places(settings: Any, invocation: Invocation) -> None:
    """Raises ValueError for what does not run there."""
    if settings.runner == "docker" and invocation.bin:
        raise ValueError("--bin is for --runner local; Docker's image has servers of its own")
    if settings.runner == "docker" and (absent := [one.name for one in settings.contestants if not one.ours]):
        raise ValueError(f"{absent[0]} is not in the images: peers and bare servers are for --runner local")
