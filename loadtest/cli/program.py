"""How a program begins and ends: Ctrl-C, standard streams that fail, usage errors. Both command lines start here."""

from __future__ import annotations

import signal

import click
import typer

from loadtest.engine import environment
from loadtest.engine.exit import Exit, sentence
from loadtest.system import output


def run(app: typer.Typer) -> int:
    """The exit status. What goes wrong is one sentence, where typer would draw a box around it, or Python a traceback
    below it."""
    program = environment.program()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # loadtest/run lets Python start undisturbed
        output.prepare()
        status = app(prog_name=program, standalone_mode=False) or Exit.ok
        output.show("")  # and what typer has printed
        return status
    except click.UsageError as error:
        output.tell(f"{program}: {error.format_message()}")
        return Exit.usage
    except (click.Abort, KeyboardInterrupt):  # Ctrl-C before anything was measured
        return Exit.interrupted
    except output.OutputError as error:
        output.tell(f"{program}: {error}")
        return Exit.failed
    except OSError as error:  # of typer's help, or of a file
        output.tell(f"{program}: {output.problem() or sentence(error)}")
        return Exit.failed
