"""A report as plain data: whoever renders it decides how it looks. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """The first column names the row."""

    heads: tuple[str, ...]  # a line break puts a word below another; all empty: there is no head
    numbers: bool = True  # in all columns but the first; otherwise words
    wide: bool = False  # where there is no room for all columns, the others follow in a table below
    rows: list[tuple[str, ...]] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)  # so many rows are above a line

    def add_row(self, *cells: str) -> None:
        self.rows.append(cells)

    def add_rule(self) -> None:
        self.rules.append(len(self.rows))


def table(*heads: str) -> Table:
    """Of numbers."""
    return Table(heads)


def words(*heads: str) -> Table:
    return Table(heads, numbers=False)


@dataclass(frozen=True)
class Section:
    """A question with its answer."""

    title: str
    table: Table | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Document:
    head: Sequence[str]  # paragraphs: what was measured, where and how
    sections: Sequence[Section]
    closing: Sequence[str] = ()  # lines: what went wrong, how it ended
    words: Sequence[str] = ()  # lines: what the sections say, for who reads no tables
