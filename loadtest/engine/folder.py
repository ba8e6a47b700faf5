"""The folder of a run: results.json, valid by its schema whenever it is read; cells.csv; raw output.
Also decides which folder a run gets, keeps other runs out of it, and loads the run that --resume goes on with.

    results/TIME-VERB/
      results.json   everything: environment, and each part with its settings, results and command lines
      cells.csv      the numbers, a line for each value (tidy data), written when the run ends
      report.html    what they say, as one page that needs no network; likewise
      raw/           what load generators printed, step by step
      servers.log    what servers printed
"""

import datetime
import fcntl
import itertools
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from loadtest.document.document import Document
from loadtest.engine import metrics, schema
from loadtest.engine.measurement import MEASUREMENTS, Verb
from loadtest.engine.run import Environment, Exit, Part, Run, Stop
from loadtest.engine.schema import MAJOR, MINOR
from loadtest.system import ROOT
from loadtest.system.records import from_json


def to_json(run: Run, made: Document | None = None) -> str:
    """What was measured; with what was made of it, too, it has all that the page draws and says. Then it is checked by
    the schema, which takes a second of hundreds of results; amid a run the next reader does it. Raises ValueError for a
    figure that is no number."""
    everything: dict[str, Any] = {"format": f"{MAJOR}.{MINOR}", **vars(run)}
    if made:
        everything |= {"answer": [str(one) for one in made.words], "figures": made.plots, "tables": made.told}
    rendered = _text(everything, indent=1) + "\n"
    if made and (problem := schema.problem(json.loads(rendered))):
        raise AssertionError(f"these results are not as their schema says: {problem}")
    return rendered


def _text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, allow_nan=False, default=vars)


class Keeper:
    """Saves a run after each of its steps: the same as to_json, each part on one line. A result does not change any
    more once it is there, and its text is made once: a thousandth step is saved about as fast as the first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._results: dict[int, list[str]] = {}  # texts, by the part's place

    def save(self, run: Run) -> None:
        """Raises OSError, and ValueError for a figure that is no number."""
        parts = ",\n".join(self._part(place, part) for place, part in enumerate(run.parts))
        rest = _rest("parts", {"format": f"{MAJOR}.{MINOR}", **vars(run)})  # behind: it has the state
        replace(self._directory / "results.json", f'{{"parts": [\n{parts}\n], {rest}\n')

    def _part(self, place: int, part: Part) -> str:
        texts = self._results.setdefault(place, [])
        texts += map(_text, part.results[len(texts) :])
        return f'{{"results": [{", ".join(texts)}], {_rest("results", vars(part))}'


def _rest(name: str, values: dict[str, Any]) -> str:
    """Of an object whose beginning has that one already."""
    return _text({key: value for key, value in values.items() if key != name}).removeprefix("{")


def save(run: Run, directory: Path, made: Document | None = None) -> None:
    replace(directory / "results.json", to_json(run, made))
    replace(directory / "cells.csv", metrics.csv_text(run))


def replace(path: Path, content: str) -> None:
    """At once, so that a reader or a failure never meets half of it. What a link leads to, not the link. Raises OSError
    with the file's name, and then the file is as it was."""
    path = Path(os.path.realpath(path))
    draft: Path | None = None
    try:
        draft = _draft(path)
        _write(draft, content)
        os.replace(draft, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            if draft:
                draft.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    """An empty file beside it that nobody else has, with the rights that any new file gets. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".tmp", dir=path.parent)
    mask = os.umask(0)
    os.umask(mask)
    os.fchmod(descriptor, 0o666 & ~mask)
    os.close(descriptor)
    return Path(name)


def store_raw(directory: Path, name: str, content: str) -> None:
    """What a program printed, under a name of ours."""
    (directory / "raw").mkdir(exist_ok=True)
    _write(directory / "raw" / name, content)


def _write(path: Path, content: str) -> None:
    """In UTF-8 whatever the locale; bytes that were none before are none again. All of it, or no file and an OSError
    that names it."""
    try:
        path.write_text(content, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def mark_as_failed(directory: Path) -> None:
    """The state in the file. In place: on a full disk only bytes that are there already can change."""
    with suppress(OSError):  # it is removed, or read-only: nothing can be done
        with (directory / "results.json").open("r+b") as file:
            position = file.read().rfind(b'"state": "running"')
            if position >= 0:
                file.seek(position)
                file.write(b'"state": "failed" ')


def load(directory: Path) -> Run:
    """From a folder, or from its results.json. Raises ValueError: which folder, and what is wrong with it."""
    path = directory / "results.json" if directory.is_dir() else directory
    document = parse(path)
    if reason := document.get("omitted"):
        raise ValueError(f"nothing can be made of {path}: {reason}")
    return run_of(document)


def parse(path: Path) -> dict[str, Any]:
    """As the schema says. Raises ValueError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    _refuse_other_formats(path, document.get("format") if isinstance(document, dict) else None)
    if problem := schema.problem(document):
        raise ValueError(f"{path} is not as its schema says: {problem}")
    found: dict[str, Any] = document
    return found


def run_of(document: dict[str, Any]) -> Run:
    """What was measured, without what was made of it."""
    beside = ("format", "answer", "figures", "tables", "omitted", "parts")
    found: Run = from_json(Run, {"parts": [], **{key: value for key, value in document.items() if key not in beside}})
    for part in document["parts"]:
        kind = MEASUREMENTS[part["measurement"]]
        results = [from_json(kind.result, result) for result in part["results"]]
        found.parts.append(Part(kind.name, from_json(kind.settings, part["settings"]), results, part.get("verb", "")))
    return found


def _refuse_other_formats(path: Path, version: Any) -> None:
    """Raises ValueError."""
    major, _, minor = str(version).partition(".")
    if major != str(MAJOR):
        raise ValueError(f"{path} has the format {version}; this harness reads {MAJOR}.x")
    if minor.isdecimal() and int(minor) > MINOR:
        raise ValueError(f"{path} ({version}) was written by a newer harness: this one reads up to {MAJOR}.{MINOR}")


# --- whose it is


def claim(resume: Path | None, out: Path | None, suffix: str) -> Path:
    """A run's folder, locked: of an earlier run, or made, of the user's choice or results/TIME-SUFFIX. Raises Stop, and
    ValueError where it is not free."""
    if resume:
        return home(resume).absolute()  # locked by earlier()
    try:
        directory = out or new_directory(suffix)
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(Exit.environment, f"{error.filename}: {error.strerror}; choose another with --out") from error
    _lock(directory)
    _refuse_used(directory)  # by now somebody else may have had the same wish
    return directory.absolute()


def home(path: Path) -> Path:
    """The folder itself, or that of its results.json."""
    return path.parent if path.is_file() else path


def new_directory(suffix: str) -> Path:
    """results/TIME-SUFFIX. Two runs of the same second have two. Raises OSError."""
    name = path = ROOT / "results" / f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}-{suffix}"
    name.parent.mkdir(parents=True, exist_ok=True)  # outside the loop: it fails where results is a link to nowhere
    for number in itertools.count(2):
        with suppress(FileExistsError):
            path.mkdir()
            break
        path = name.with_name(f"{name.name}-{number}")
    return path


def _lock(directory: Path) -> None:
    """Until this process ends, however it does. Raises ValueError when another process has it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(f"{directory} is in use by a run that has not ended") from None
    except OSError:
        pass  # network file systems may know no locks


def _refuse_used(out: Path) -> None:
    """One folder does not hold two runs, nor somebody else's files. Raises ValueError."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: this is no folder")
    if (out / "results.json").exists():
        raise ValueError(f"--out {out}: there is a run in it; --resume {out} goes on with it")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"--out {out}: this folder is not empty")


def earlier(verb: Verb, resume: Path | None, out: Path | None) -> Run | None:
    """The results to go on with, which nobody else goes on with then. Raises ValueError."""
    if resume is None:
        if out is not None:
            _refuse_used(out)
        return None
    if out is not None:
        raise ValueError("--resume goes on in its own folder; --out is for a new run")
    if resume.exists():
        _lock(home(resume))
    found = load(resume)
    if found.verb != verb.name:
        raise ValueError(f"--resume {resume}: these are results of {found.verb}, not of {verb.name}")
    return found


def go_on(earlier: Run, now: Environment) -> Run:
    """The same. Raises Stop when it is of other software or of another machine: its rounds would be compared with those
    to come."""
    before, after = ({**vars(one), **one.versions} for one in (earlier.environment, now))
    for name in ("commit", "cpu_model", "cpus", "kernel", "runner", *earlier.environment.versions, *now.versions):
        was, is_now = before.get(name, "absent"), after.get(name, "absent")
        if was != is_now:
            what = name.replace("_", " ")
            raise Stop(Exit.usage, f"cannot resume: {what} was {was} and is {is_now}; one run cannot hold both")
    earlier.failures.clear()  # they are tried again
    return earlier
