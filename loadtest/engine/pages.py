"""What is made of results: figures, a page, tables. It cannot cost the results, which are saved before; nor does one of
them cost the others."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from loadtest.document import terminal
from loadtest.document.document import Document
from loadtest.engine import folder, report
from loadtest.engine.run import Run
from loadtest.page import page
from loadtest.system import ROOT, output
from loadtest.system.output import OutputError

LIBRARIES = ROOT / "build/page"  # where setup.sh fetches what draws
NAME = "report.html"
REPORT, FIGURES, PAGE, TABLES = "the report", "the figures", "the page", "the tables"

Made = TypeVar("Made")
Failures = dict[str, Exception]  # of what was tried: an OSError, an OutputError or a ReportError


class ReportError(Exception):
    """A fault of ours, while something was made of results that are saved."""


def show(run: Run, path: Path, as_json: bool, saved_in: Path | None = None) -> Failures:
    """Of one run: the figures go into the results in `saved_in`, where it is given, and the page to that path."""
    try:
        document = made(REPORT, lambda: report.document(run))
    except ReportError as error:
        without = {TABLES: lambda: output.show(folder.to_json(run))} if as_json else {}
        return {REPORT: error, **_tried(without)}
    failed = _tried({FIGURES: partial(folder.save, run, saved_in, document)}) if saved_in else {}
    text = (lambda: folder.to_json(run, document)) if as_json else (lambda: terminal.render(document))
    has_results = bool(saved_in) and not failed
    return {**failed, **show_document(document, path, text, has_results)}


def show_document(document: Document, path: Path, text: Callable[[], str], has_results: bool = False) -> Failures:
    """The page first: stdout may wait for a reader, or end with it."""
    return _tried(
        {
            PAGE: lambda: folder.replace(path, page.render(document, LIBRARIES, has_results)),
            TABLES: lambda: output.show(text()),
        }
    )


def _tried(attempts: Mapping[str, Callable[[], None]]) -> Failures:
    failed: Failures = {}
    for what, make in attempts.items():
        try:
            made(what, make)
        except (OSError, OutputError, ReportError) as error:
            failed[what] = error
    return failed


def made(what: str, make: Callable[[], Made]) -> Made:
    """Raises ReportError in place of whatever is a fault of ours. A disk and stdout may fail as they do."""
    try:
        return make()
    except (OSError, OutputError):
        raise
    except Exception as error:
        raise ReportError(f"{what} could not be made ({type(error).__name__}: {error})") from error
