"""The folder of a run: results.json, valid by its schema whenever it is written and read; cells.csv; raw output.

    results/TIME-VERB/
      results.json   everything, with settings, environment and every command line
      cells.csv      the numbers, a line for each value (tidy data)
      raw/           what load generators printed, for each trial
      servers.log    what servers printed
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from loadtest import schema, table
from loadtest.idle.idle import IdleResults
from loadtest.results import Results, from_json
from loadtest.trial.measured import TrialResults
from loadtest.walk.walk_runner import WalkResults

MAJOR, MINOR = 3, 0  # a reader understands every minor version of its major one
FORMAT = f"{MAJOR}.{MINOR}"

KINDS: dict[str, type] = {
    "run": Results,
    "throughput": TrialResults,
    "latency": TrialResults,
    "aa": TrialResults,
    "memory": IdleResults,
    "walk": WalkResults,
}
AnyResults = Results | TrialResults | IdleResults | WalkResults

SCHEMA = schema.of(KINDS, str(MAJOR))


class FolderError(Exception):
    """One sentence: which folder, and what is wrong with it."""


def to_json(results: AnyResults) -> str:
    """Valid by the schema, which is ours to see to."""
    rendered = _render(results)
    if problem := schema.problem(json.loads(rendered), SCHEMA):
        raise AssertionError(f"these results are not as their schema says: {problem}")
    return rendered


def _render(results: AnyResults) -> str:
    return json.dumps({"format": FORMAT, **dataclasses.asdict(results)}, indent=1, allow_nan=False) + "\n"


def save(results: AnyResults, directory: Path, amid: bool = False) -> None:
    """Replaces the files at once, so that a reader or a failure never meets half of one. Checking them against the
    schema takes a second where there are hundreds of trials: amid a run, the next reader does it."""
    _replace(directory / "results.json", _render(results) if amid else to_json(results))
    _replace(directory / "cells.csv", table.csv_text(results))


def _replace(path: Path, content: str) -> None:
    draft = path.with_suffix(".tmp")
    write(draft, content)
    os.replace(draft, path)


def write(path: Path, content: str) -> None:
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
    running, failed = b'"state": "running"', b'"state": "failed" '
    try:
        with (directory / "results.json").open("r+b") as file:
            position = file.read().rfind(running)
            if position >= 0:
                file.seek(position)
                file.write(failed)
    except OSError:
        pass  # removed, or read-only: nothing can be done


def home(path: Path) -> Path:
    """The folder itself, or that of its results.json."""
    return path.parent if path.is_file() else path


def load(directory: Path) -> AnyResults:
    """From a folder, or from its results.json. Raises FolderError."""
    path = directory / "results.json" if directory.is_dir() else directory
    document = _read(path)
    _refuse_other_versions(path, document)
    if problem := schema.problem(document, SCHEMA):
        raise FolderError(f"{path} is not as its schema says: {problem}")
    document.pop("format")
    found = from_json(KINDS[document["verb"]], document)
    assert isinstance(found, AnyResults)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FolderError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FolderError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise FolderError(f"{path} holds no results, but {type(document).__name__}")
    return document


def _refuse_other_versions(path: Path, document: dict[str, Any]) -> None:
    version = str(document.get("format"))
    major = version.partition(".")[0]
    if major == str(MAJOR):
        return
    if major.isdigit() and int(major) > MAJOR:
        raise FolderError(f"{path} has the newer format {version}; this harness reads {MAJOR}.x: update it")
    raise FolderError(f"{path} has the format {version}, which this harness no longer reads ({MAJOR}.x): measure again")


def raw(directory: Path) -> Callable[[str, str], None]:
    """Stores what a program printed, under a name of ours."""

    def store(name: str, content: str) -> None:
        folder = directory / "raw"
        folder.mkdir(exist_ok=True)
        write(folder / name, content)

    return store
