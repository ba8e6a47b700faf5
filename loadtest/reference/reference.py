"""The reference run, as the repository keeps it: what was made of its results, and the value of every round, without
the results themselves, which are many times as large.

    loadtest/reference/
      results.json   as of any run, but with empty results: environment, settings, answer, figures, tables
      cells.csv      a line for each cell and metric, with its value in each valid round
      machine.md     the machine card
      *.svg          the figures that README shows
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtest.document.document import Document, Look, Plot, Told
from loadtest.engine import folder, metrics, report
from loadtest.engine.run import Run
from loadtest.page import svg
from loadtest.page.page import PALETTE
from loadtest.statistics.validity import DISTURBED
from loadtest.system import ROOT
from loadtest.system.records import from_json
from loadtest.verbs.run.plan import FULL

HERE = ROOT / "loadtest/reference"
LIMIT = 2**20  # bytes of all files together
OMITTED = "it is a reference, without the results of single steps; cells.csv beside it has their values"


@dataclass(frozen=True)
class Reference:
    """What README is made of."""

    run: Run  # without results
    answer: list[str]
    figures: list[Plot]
    tables: list[Told]

    @property
    def looks(self) -> dict[str, Look]:
        return report.looks(self.run)

    def figure(self, name: str) -> Plot:
        """Raises ValueError where there is none of that id."""
        found = [one for one in self.figures if one.id == name]
        if not found:
            raise ValueError(f"the reference has no figure {name}")
        return found[0]

    def table(self, question: str, *words: str) -> Told:
        """Of the section that asks this, of the load that these words name. Raises ValueError where it is not one."""
        found = [
            one for one in self.tables if one.title.startswith(question) and all(word in one.title for word in words)
        ]
        if len(found) != 1:
            raise ValueError(f"the reference has {len(found)} tables {question!r} with {', '.join(map(repr, words))}")
        return found[0]


def read(directory: Path) -> Reference:
    """Raises ValueError."""
    return of(folder.parse(directory / "results.json"))


def of(parsed: dict[str, Any]) -> Reference:
    """Of its results.json."""
    made = {"answer": list[str], "figures": list[Plot], "tables": list[Told]}
    answer, figures, tables = (from_json(kind, parsed.get(name, [])) for name, kind in made.items())
    return Reference(folder.run_of(parsed), answer, figures, tables)


def files(run: Run) -> dict[str, str]:
    """What is kept of a run, by the name of its file. Raises ValueError for a run that is none to refer to."""
    command, commit = run.environment.command, run.environment.commit
    if run.state != "complete" or run.failures or f"run --preset {FULL.name}" not in command:
        raise ValueError(f"the reference is a complete run --preset {FULL.name}; this is a {run.state} {command!r}")
    if "+" in commit:
        raise ValueError(f"the reference is of a commit; {commit} has changes that are in none")
    run = replace(run, environment=replace(run.environment, command=_repeatable(run.environment.command)))
    document = report.document(run)
    return {"results.json": _kept(run, document), "cells.csv": cells(run), "machine.md": card(run, document)}


def refuse_large(files: Mapping[str, str]) -> None:
    """Raises ValueError."""
    size = sum(len(text.encode()) for text in files.values())
    if size > LIMIT:
        raise ValueError(f"the reference would have {size:,} bytes; it may have {LIMIT:,}")


def _repeatable(command: str) -> str:
    """Without the folder that its results went to."""
    return re.sub(r" --out[ =]('[^']*'|\S+)", "", command)


def _kept(run: Run, document: Document) -> str:
    """Without the folder in which it was measured, and with a line for each thing, so that two can be compared."""
    text = folder.to_json(run, document)
    everything: dict[str, Any] = json.loads(_without_place(text))
    parts: list[Any] = [{**part, "results": []} for part in everything.pop("parts")]
    lists = {"parts": parts, **{name: everything.pop(name) for name in ("answer", "figures", "tables")}}
    single = {**everything, "omitted": OMITTED}
    lines = [f'"{name}": {_compact(value)}' for name, value in single.items()]
    lines += [f'"{name}": [\n{_lines(values)}\n]' for name, values in lists.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(values: list[Any]) -> str:
    return ",\n".join(map(_compact, values))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


PLACE = re.compile(r"/[^\s'\"]*?(?=/build/release/bin/)")


def _without_place(text: str) -> str:
    """Paths begin at the repository's root, whoever's it was."""
    for place in sorted(set(PLACE.findall(text)), key=len, reverse=True):
        text = text.replace(f"{place}/", "")
    return text


def cells(run: Run) -> str:
    """Each value to five digits. An empty field: that round is invalid, or has no such value."""
    values: dict[tuple[object, ...], dict[int, float]] = {}
    for chapter in run.chapters:
        for one in metrics.values(chapter):
            if one.valid:
                label = (*metrics.cell(chapter.verb, one), one.metric.name, one.metric.unit)
                values.setdefault(label, {})[one.round] = one.value
    last = max((number for rounds in values.values() for number in rounds), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*metrics.CELL, "metric", "unit", *(f"round {number}" for number in range(1, last + 1))])
    for label, rounds in values.items():
        found = (rounds.get(number) for number in range(1, last + 1))
        writer.writerow([*label, *("" if value is None else f"{value:.5g}" for value in found)])
    return text.getvalue()


def card(run: Run, document: Document) -> str:
    watched = [result for result in run.results if result.disturbance]
    disturbed = (
        f"{sum(one.disturbed for one in watched):,} of {len(watched):,} loads, by more than {DISTURBED:.0%} of a CPU"
    )
    return "# The machine of the reference run\n\n" + markdown(["", ""], [*document.machine, ("Disturbed", disturbed)])


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def picture(plot: Plot, looks: dict[str, Look]) -> str:
    """A drawing that stands alone, in the page's colours, light and dark: of contestants as they are, without their
    builds for AddressSanitizer."""
    plain = replace(plot, marks=[mark for mark in plot.marks if mark.row in looks])
    return svg.drawing(plain, looks, PALETTE) + "\n"
