"""Which folder a run gets, and that nobody else has it."""

from __future__ import annotations

import datetime
import fcntl
import itertools
import os
from pathlib import Path

from loadtest.engine import folder
from loadtest.engine.exit import Exit, Stop
from loadtest.system.repository import ROOT


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
    name = ROOT / "results" / f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}-{suffix}"
    name.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = name if number == 1 else name.with_name(f"{name.name}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
    raise AssertionError


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
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise Stop(Exit.usage, f"--out {out}: this is no folder")
    if (out / "results.json").exists():
        raise Stop(Exit.usage, f"--out {out}: there is a run in it; --resume {out} goes on with it")
    if any(out.iterdir()):
        raise Stop(Exit.usage, f"--out {out}: this folder is not empty")
