"""A document as text without colour, for a terminal."""

import io
import shutil
import textwrap
from collections.abc import Iterator, Sequence

import rich.table
from rich.box import SIMPLE_HEAD
from rich.console import Console

from loadtest.document.document import Document, Section, Sentence, Table

GAP = 1  # between columns, beside the one of the box
ANSWER_LINES = 9  # below its heading, with room for where the results and the page are


def render(document: Document, width: int = 0) -> str:
    """In columns; by default as many as the terminal has, or COLUMNS says, within reason."""
    width = width or max(100, min(120, shutil.get_terminal_size((120, 0)).columns))
    parts = [
        *(_wrap(paragraph, width) for paragraph in document.head),
        *(line for section in document.sections for line in _section(section, width)),
        *([""] if document.closing else []),
        *(_wrap(line, width) for line in document.closing),
        *(["", "The answer", *_answer(document.words, width)] if document.words else []),
    ]
    return "\n".join(parts).lstrip("\n") + "\n"


def _wrap(text: str, width: int, first: str = "", then: str = "") -> str:
    """`first` and `then` begin the first line and the others."""
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)


def _answer(words: Sequence[Sentence], width: int) -> list[str]:
    """All clauses that stay; then, as long as there is room, the others, the least sparable first. The first of a
    sentence makes its point: nothing stands without it."""
    places = [
        (one.spare, row, place) for row, sentence in enumerate(words) for place, one in enumerate(sentence.clauses)
    ]
    kept = {(row, place) for spare, row, place in places if spare == 0}
    for _, row, place in sorted(places):
        more = kept | {(row, place)}
        if (row, 0) in more and len(_lines(words, more, width)) <= ANSWER_LINES:
            kept = more
    return _lines(words, kept, width)


def _lines(words: Sequence[Sentence], kept: set[tuple[int, int]], width: int) -> list[str]:
    texts = [
        "".join(one.text for place, one in enumerate(sentence.clauses) if (row, place) in kept)
        for row, sentence in enumerate(words)
    ]
    return [line for text in texts if text for line in _wrap(text, width, "  * ", "    ").split("\n")]


def _section(section: Section, width: int) -> Iterator[str]:
    yield from ("", _wrap(section.title, width, then="  "))
    if section.table:
        yield "\n\n".join(_text(section.table, columns, width) for columns in _pieces(section.table, width))
    yield from (_wrap(note, width, "  * ", "    ") for note in section.notes)


def _pieces(table: Table, width: int) -> list[list[int]]:
    """As many columns of a wide table as the width takes, each time behind the names of the rows."""
    columns = zip(table.heads, *table.rows, strict=True)
    names, *widths = (GAP + 1 + max(len(line) for cell in cells for line in cell.split("\n")) for cells in columns)
    pieces, left = [[0]], width - names
    for column, needed in enumerate(widths, start=1):
        if table.wide and needed > left and len(pieces[-1]) > 1:
            pieces.append([0])
            left = width - names
        pieces[-1].append(column)
        left -= needed
    return pieces


def _text(table: Table, columns: Sequence[int], width: int) -> str:
    """Numbers are never cut: where there is no room, names wrap."""
    shown = rich.table.Table(
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0), show_header=any(table.heads)
    )
    for column in columns:
        numbers = table.numbers and column > 0
        shown.add_column(table.heads[column], justify="right" if numbers else "left", no_wrap=numbers, overflow="fold")
    for index, row in enumerate(table.rows, start=1):
        shown.add_row(*(row[column] for column in columns), end_section=index in table.rules)
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, highlight=False, emoji=False, markup=False).print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())
