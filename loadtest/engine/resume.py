"""Going on with an interrupted run: by its own settings, on the same machine, with the same software."""

from __future__ import annotations

from pathlib import Path

from loadtest.engine import folder
from loadtest.engine.claim import lock, refuse_used
from loadtest.engine.exit import Exit, Stop
from loadtest.engine.run import Environment, Run
from loadtest.engine.verb import Verb


def earlier(verb: Verb, resume: Path | None, out: Path | None) -> Run | None:
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
    if found.verb != verb.name:
        raise ValueError(f"--resume {resume}: these are results of {found.verb}, not of {verb.name}")
    return found


def go_on(earlier: Run, now: Environment) -> Run:
    """Raises Stop when they are of other software or of another machine: their rounds would be compared with those to
    come."""
    if difference := _difference(earlier.environment, now):
        raise Stop(Exit.usage, f"cannot resume: {difference}; one run cannot hold both")
    earlier.failures.clear()  # they are tried again
    return earlier


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
