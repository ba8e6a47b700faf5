"""The folder of a run: results.json, valid by its schema whenever it is written and read; cells.csv; raw output.

    results/TIME-VERB/
      results.json   everything: environment, and each part with its settings, results and command lines
      cells.csv      the numbers, a line for each value (tidy data)
      raw/           what load generators printed, step by step
      servers.log    what servers printed
"""

import dataclasses
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from loadtest.engine import cells, schema, verb
from loadtest.engine.run import Part, Run
from loadtest.engine.schema import MAJOR, MINOR
from loadtest.system.records import from_json


class FolderError(Exception):
    """One sentence: which folder, and what is wrong with it."""


def to_json(run: Run, checked: bool = True) -> str:
    """Valid by the schema, which is ours to see to."""
    rendered = json.dumps({"format": f"{MAJOR}.{MINOR}", **dataclasses.asdict(run)}, indent=1, allow_nan=False) + "\n"
    if checked and (problem := schema.problem(json.loads(rendered))):
        raise AssertionError(f"these results are not as their schema says: {problem}")
    return rendered


def save(run: Run, directory: Path, amid: bool = False) -> None:
    """Replaces the files at once, so that a reader or a failure never meets half of one. Checking them against the
    schema takes a second where there are hundreds of results: amid a run, the next reader does it."""
    for name, content in (("results.json", to_json(run, checked=not amid)), ("cells.csv", cells.csv_text(run))):
        draft = (directory / name).with_suffix(".tmp")
        _write(draft, content)
        os.replace(draft, directory / name)


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


def home(path: Path) -> Path:
    """The folder itself, or that of its results.json."""
    return path.parent if path.is_file() else path


def load(directory: Path) -> Run:
    """From a folder, or from its results.json. Raises FolderError."""
    path = directory / "results.json" if directory.is_dir() else directory
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FolderError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FolderError(f"{path} is not JSON: {error}") from error
    version = document.get("format") if isinstance(document, dict) else None
    if str(version).partition(".")[0] != str(MAJOR):
        raise FolderError(f"{path} has the format {version}; this harness reads {MAJOR}.x")
    if problem := schema.problem(document):
        raise FolderError(f"{path} is not as its schema says: {problem}")
    del document["format"]
    parts = [_part(part) for part in document.pop("parts")]
    found: Run = from_json(Run, {**document, "parts": []})
    found.parts += parts
    return found


def _part(document: dict[str, Any]) -> Part:
    measurement = verb.MEASUREMENTS[document["measurement"]]
    results = [from_json(measurement.result, result) for result in document["results"]]
    return Part(measurement.name, from_json(measurement.settings, document["settings"]), results)
