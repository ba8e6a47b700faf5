"""In which order a page shows what a document has. Pure."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from markupsafe import Markup

from loadtest.document.anchors import distinct
from loadtest.document.document import Document, Plot, Section
from loadtest.page import svg

REST = "Measured"  # the chapter of sections that name none
EXAMPLE = "Example: "  # begins the name of a command that is no more than that


@dataclass(frozen=True)
class Figure:
    """A plot on its page."""

    id: str
    number: int  # from 1
    plot: Plot
    drawing: Markup  # shown until a library draws a better one


@dataclass(frozen=True)
class Part:
    """A section on its page."""

    id: str
    section: Section
    figures: list[Figure]


@dataclass(frozen=True)
class Chapter:
    id: str
    title: str
    parts: list[Part]


def ordered(document: Document) -> Document:
    """The sections of a chapter stand together, where its first one stood."""
    titles = list(dict.fromkeys(_chapter(section) for section in document.sections))
    return replace(document, sections=sorted(document.sections, key=lambda section: titles.index(_chapter(section))))


def chapters(document: Document) -> list[Chapter]:
    """Of an ordered one. Its figures are numbered as its plots are."""
    drawn = iter(_figures(document))
    ids = distinct(section.id or f"section-{number}" for number, section in enumerate(document.sections, start=1))
    parts = [
        Part(name, section, [next(drawn) for _ in section.plots])
        for name, section in zip(ids, document.sections, strict=True)
    ]
    together = itertools.groupby(parts, key=lambda part: _chapter(part.section))
    return [Chapter(f"chapter-{number}", title, list(those)) for number, (title, those) in enumerate(together, start=1)]


def commands(document: Document) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Those of the whole run, then the examples."""
    examples = [(what, line) for what, line in document.commands if what.startswith(EXAMPLE)]
    whole = [one for one in document.commands if one not in examples]
    return whole, [(what.removeprefix(EXAMPLE), line) for what, line in examples]


def _chapter(section: Section) -> str:
    return section.chapter or REST


def _figures(document: Document) -> list[Figure]:
    ids = distinct(f"figure-{plot.id}" for plot in document.plots)
    return [
        Figure(name, number, plot, Markup(svg.drawing(plot, document.looks)))
        for number, (name, plot) in enumerate(zip(ids, document.plots, strict=True), start=1)
    ]


def texts(document: Document) -> Iterator[str]:
    """All that a reader may want to have explained."""
    yield from (document.title, *document.head, *document.method)
    yield from map(str, document.words)
    yield from (text for caveat in document.caveats for text in (caveat.text, caveat.therefore))
    for section in document.sections:
        yield from (section.title, section.chapter, *section.notes)
        yield from (text for row in _rows(section) for text in row)
    for plot in document.plots:
        yield from (plot.title, plot.caption, plot.x.title, plot.y.title)
        yield from (text for mark in plot.marks for text in (mark.row, mark.part, mark.note))


def _rows(section: Section) -> Iterator[tuple[str, ...]]:
    if section.table:
        yield from (section.table.heads, *section.table.rows)
