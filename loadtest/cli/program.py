"""How a program begins and ends: Ctrl-C, standard streams that fail, usage errors; and what every verb that measures
does with its command line."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import typer

from loadtest.cli.options import Invocation
from loadtest.engine import environment
from loadtest.engine.claim import claim, earlier
from loadtest.engine.exit import Exit, Stop, sentence
from loadtest.engine.folder import FolderError
from loadtest.engine.run import Part
from loadtest.engine.runner import commands
from loadtest.engine.session import Session, described
from loadtest.engine.verb import Verb
from loadtest.places.containers import Containers
from loadtest.places.launch import Local, Place
from loadtest.system import MeasurementError, output


def run(app: typer.Typer) -> int:
    """The exit status. What goes wrong is one sentence, where typer would draw a box around it, or Python a traceback
    below it."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # loadtest/run lets Python start undisturbed
        output.prepare()
        status = app(prog_name=environment.program(), standalone_mode=False) or Exit.ok
        output.show("")  # and what typer has printed
        return status
    except click.UsageError as error:
        return _end(Exit.usage, error.format_message())
    except Stop as error:
        return _end(error.status, str(error))
    except (click.Abort, KeyboardInterrupt):  # Ctrl-C before anything was measured
        return Exit.interrupted
    except output.OutputError as error:
        return _end(Exit.failed, str(error))
    except OSError as error:  # of typer's help, or of a file
        return _end(Exit.failed, output.problem() or sentence(error))


def _end(status: Exit, why: str) -> Exit:
    output.tell(f"{environment.program()}: {why}")
    return status


@contextmanager
def usage_errors() -> Iterator[None]:
    """Here a ValueError is the user's; anywhere else it is a fault of ours, with a traceback. Raises Stop."""
    try:
        yield
    except (FolderError, ValueError) as error:
        raise Stop(Exit.usage, str(error)) from error


def measure(verb: Verb, invocation: Invocation, chosen: Callable[[], list[Part]], missing: Callable[[], str]) -> Exit:
    """Goes on or begins, shows or runs. Raises Stop.

    @param chosen: the parts by the command line, where it is no --resume; raises ValueError
    @param missing: what the verb needs and this machine has not, a sentence with the fix"""
    with usage_errors():
        going_on = earlier(verb, invocation.resume, invocation.out)
        parts = going_on.parts if going_on else chosen()
        in_docker = parts[0].settings.runner == "docker"
        if in_docker:
            _refuse_what_is_not_in_the_images(parts, invocation)
        if invocation.dry_run:
            output.show("\n".join(commands(_described_here(parts, invocation), invocation.binaries)) + "\n")
            return Exit.ok
        if absent := missing():
            raise Stop(Exit.environment, absent)
        directory = claim(invocation.resume, invocation.out, verb.name)
        log = directory / "servers.log"
        place: Place = Local(invocation.binaries, log)
        if in_docker:
            place = Containers(log)
    return Session(verb, parts, going_on, place, directory, invocation.json).run()


def _refuse_what_is_not_in_the_images(parts: list[Part], invocation: Invocation) -> None:
    """Raises ValueError."""
    if invocation.bin:
        raise ValueError("--bin is for --runner local; Docker's image has servers of its own")
    for one in (contestant for part in parts for contestant in part.settings.contestants):
        if not one.ours:
            raise ValueError(f"{one.name} is not in the images: peers and bare servers are for --runner local")


def _described_here(parts: list[Part], invocation: Invocation) -> list[Part]:
    """Of containers, too, a dry run shows what the servers here would be given. Raises Stop."""
    try:
        return described(parts, Local(invocation.binaries, Path(os.devnull)))
    except MeasurementError as error:
        raise Stop(Exit.environment, str(error)) from error
