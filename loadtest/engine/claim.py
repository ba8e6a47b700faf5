"""Which folder a run gets, and that nobody else has it; and which earlier run goes on."""

import datetime
import fcntl
import os
from pathlib import Path

from loadtest.engine import folder
from loadtest.engine.exit import Exit, Stop
from loadtest.engine.run import Environment, Run
from loadtest.engine.verb import Verb
from loadtest.system import ROOT


def claim(resume: Path | None, out: Path | None, suffix: str) -> Path:
    """A run's folder, made and locked: of an earlier run, of the user's choice, or results/TIME-SUFFIX. Raises Stop."""
    try:
        directory = folder.home(resume) if resume else out or _new_directory(suffix)
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(Exit.environment, f"{error.filename}: {error.strerror}; choose another with --out") from error
    lock(directory)
    if not resume:
        refuse_used(directory)  # by now somebody else may have had the same wish
    return directory.absolute()


def _new_directory(suffix: str) -> Path:
    """Two runs of the same second have two."""
    name = path = ROOT / "results" / f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}-{suffix}"
    name.parent.mkdir(parents=True, exist_ok=True)  # outside the loop: it fails where results is a link to nowhere
    number = 1
    while True:
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1
            path = name.with_name(f"{name.name}-{number}")


_locked: dict[Path, int] = {}


def lock(directory: Path) -> None:
    """Until this process ends, however it does. Raises Stop when another process has it."""
    path = directory.resolve()
    if path in _locked:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Stop(Exit.usage, f"{directory} is in use by a run that has not ended") from None
    except OSError:
        pass  # network file systems may know no locks
    _locked[path] = descriptor


def refuse_used(out: Path) -> None:
    """One folder does not hold two runs, nor somebody else's files. Raises Stop."""
    if out.exists() and not out.is_dir():
        raise Stop(Exit.usage, f"--out {out}: this is no folder")
    if (out / "results.json").exists():
        raise Stop(Exit.usage, f"--out {out}: there is a run in it; --resume {out} goes on with it")
    if out.exists() and any(out.iterdir()):
        raise Stop(Exit.usage, f"--out {out}: this folder is not empty")


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
    before, after = _identity(earlier.environment), _identity(now)
    for name in dict.fromkeys([*before, *after]):
        was, is_now = before.get(name, "absent"), after.get(name, "absent")
        if was != is_now:
            what = name.replace("_", " ")
            raise Stop(Exit.usage, f"cannot resume: {what} was {was} and is {is_now}; one run cannot hold both")
    earlier.failures.clear()  # they are tried again
    return earlier


def _identity(environment: Environment) -> dict[str, object]:
    """What may not change amid a run."""
    names = ("commit", "cpu_model", "cpus", "kernel", "runner")
    return {**{name: getattr(environment, name) for name in names}, **environment.versions}
