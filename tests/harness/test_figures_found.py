"""Every figure on the page is found in results.json, and every number of the answer stands where its clause leads."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import samples
import test_answer
import test_crash_script
import test_idle
import test_sweep
import test_walk

from loadtest.document.document import Document, Section
from loadtest.document.figures import mebibytes, milliseconds, number
from loadtest.engine import folder, report
from loadtest.engine.run import Run
from loadtest.page import contents, page
from loadtest.verbs.walk.sequence import Connection

LOST = ("server lost", "server lost")
RUNS = {
    "tour": samples.tour,
    "throughput": samples.trial_run,
    "latency": lambda: samples.trial_run(samples.settings(rates=(1000.0,), closed=False), verb="latency"),
    "crash": lambda: samples.run(samples.part_of_crashes(samples.crash_settings()), verb="crash"),
    "run": test_answer.chapters,
    "walk": lambda: test_walk.run([test_walk.recorded(name, Connection.kept) for name in ("prefork", "epoll")]),
    "memory": test_idle.found,
    "schedulers": samples.policies,
    "sweep": lambda: test_sweep.run(*test_sweep.rounds(10_000, 12_000, 11_000)),
    "script": lambda: samples.run(test_crash_script.part_of(test_crash_script.of("epoll", *LOST)), verb="crash"),
}
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")


@cache
def of(name: str) -> tuple[Run, Document]:
    found = RUNS[name]()
    return found, report.document(found)


def in_page(text: str) -> Iterator[dict[str, Any]]:
    """The plots in all JSON of a page, whatever it is wrapped in."""
    for data in re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL):
        yield from plots(json.loads(html.unescape(data)))


def plots(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict) and {"id", "marks"} <= data.keys():
        yield data
    elif isinstance(data, (dict, list)):
        for one in data.values() if isinstance(data, dict) else data:
            yield from plots(one)


@pytest.mark.parametrize("name", RUNS)
def test_every_mark_on_the_page_is_in_the_results(name):
    run, document = of(name)
    kept = {one["id"]: one["marks"] for one in json.loads(folder.to_json(run, document))["figures"]}
    shown = {one["id"]: one["marks"] for one in in_page(page.render(document, Path("nowhere")))}
    assert shown.keys() == kept.keys() == {plot.id for plot in document.plots}
    for plot, marks in shown.items():
        assert len(marks) == len(kept[plot])
        for mark, other in zip(marks, kept[plot]):
            assert mark == {key: value for key, value in other.items() if value not in ("", None)}, plot


def rows_of(table: str) -> list[list[str]]:
    """The texts of its cells, below the head."""
    rows = re.findall(r"<tr.*?>(.*?)</tr>", table.rpartition("<tbody>")[2], re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def plain(cell: str) -> str:
    return " ".join(html.unescape(cell).split())


@pytest.mark.parametrize("name", RUNS)
def test_every_cell_of_a_table_on_the_page_is_in_the_results(name):
    """Tables with an id are those of figures, which have marks."""
    run, document = of(name)
    text = page.render(document, Path("nowhere"))
    shown = [rows_of(table) for table in re.findall(r"<table(?: class=\"numbers\")?>.*?</table>", text, re.DOTALL)]
    ordered = json.loads(folder.to_json(run, contents.ordered(document)))["tables"]
    assert shown == [[[*map(plain, row)] for row in one["rows"]] for one in ordered if one["heads"]] != []


@pytest.mark.parametrize("name", RUNS)
def test_every_number_of_the_answer_stands_where_its_clause_leads(name):
    run, document = of(name)
    sections = {one.id: one for one in document.sections if one.id}
    asked = settings(run)
    for clause in [clause for sentence in document.words for clause in sentence.clauses if clause.section]:
        assert clause.section in sections, clause
        strange = {*NUMBER.findall(clause.text)} - numbers_of(sections[clause.section]) - asked
        assert not strange, f"{strange} of {clause.text!r} are not in {clause.section}"


def numbers_of(section: Section) -> set[str]:
    """As its plots' marks are written, in any of the ways in which numbers are written here; and in its own words."""
    marks = [mark for plot in section.plots for mark in plot.marks]
    values = [value for mark in marks for value in (mark.x, mark.y, mark.low, mark.high)]
    numbers = [value for value in values if isinstance(value, (int, float))]
    written = {write(value) for value in numbers for write in WAYS}
    cells = [cell for row in (section.table.rows if section.table else []) for cell in row]
    words = [
        section.title,
        *section.notes,
        *cells,
        *(word for mark in marks for word in (mark.note, mark.row, mark.part)),
    ]
    words += [text for plot in section.plots for text in (plot.title, plot.caption)]
    return written | {found for word in words for found in NUMBER.findall(word)}


WAYS = (
    number,
    milliseconds,
    lambda value: mebibytes(int(value)),
    "{:,.0f}".format,
    "{:g}".format,
    lambda value: f"{100 * value:.0f}",
)


def settings(run: Run) -> set[str]:
    """What was asked for, and how often."""
    asked = json.dumps([part["settings"] for part in json.loads(folder.to_json(run))["parts"]])
    found = {text for text in re.findall(r"\d+(?:\.\d+)?", asked)}
    return found | {f"{float(text):,.0f}" for text in found} | {str(count) for count in counts(run)}


def counts(run: Run) -> Iterator[int]:
    for part in run.parts:
        yield from (len(part.settings.contestants), len(part.results))


def test_a_number_that_stands_nowhere_would_be_found():
    section = next(one for one in of("tour")[1].sections if one.plots)
    assert {"123,457", "0.987654"}.isdisjoint(numbers_of(section) | settings(of("tour")[0]))
    mark = next(mark for plot in section.plots for mark in plot.marks if mark.y)
    assert number(mark.y) in numbers_of(section)


@pytest.mark.parametrize("name", RUNS)
def test_ids_of_sections_and_plots_are_unique_and_fit_for_an_address(name):
    document = of(name)[1]
    ids = [one.id for one in (*document.sections, *document.plots) if one.id]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", one) for one in ids)
