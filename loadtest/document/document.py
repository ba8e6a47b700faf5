"""A report as plain data: whoever renders it decides how it looks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum


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


class Shape(str, Enum):
    """Of a plot: what its marks are drawn as."""

    lines = "lines"  # y over the number x, a line for each row; low to high is a band
    bars = "bars"  # y of each row, its parts one after another; low to high is an interval
    dots = "dots"  # y of each row, with its interval; the parts of a row are joined by a line
    strips = "strips"  # of each row a cell at each number x, with its note as a letter and its part as a kind
    matrix = "matrix"  # of each row a cell for each name x, with its note as a text and its part as a kind


class Scale(str, Enum):
    linear = "linear"
    log = "log"
    tail = "tail"  # of a share p as 1 / (1 - p), so that 99 % and 99.9 % are as far apart as 90 % and 99 %


@dataclass(frozen=True)
class Axis:
    title: str
    unit: str = ""
    scale: Scale = Scale.linear


# Of a fault, to somebody else, the least first: what cells of strips and matrices are coloured by.
HARMS = ("none", "delayed", "lost", "wrong", "starved")


@dataclass(frozen=True)
class Mark:
    """One thing that a plot shows, and a row of the table beside it."""

    row: str  # the contestant, or what else has a line, a bar or a strip
    x: float | str = ""
    y: float | None = None  # None: there is no number
    low: float | None = None  # its interval, or the lowest of what it stands for
    high: float | None = None
    part: str = ""  # "user", "system"; in a matrix or a strip the kind of cell
    note: str = ""  # what a reader should know of it: a lower bound, how many rounds


DIGITS = 7  # of a number that is drawn: nobody measures more


def drawable(mark: Mark) -> Mark:
    """With as many digits as mean something."""
    y, low, high = (None if value is None else float(f"{value:.{DIGITS}g}") for value in (mark.y, mark.low, mark.high))
    return replace(mark, y=y, low=low, high=high)


@dataclass(frozen=True)
class Plot:
    """A figure as data."""

    id: str  # on its page: small letters, digits and dashes
    title: str
    caption: str  # how to read it, in a sentence or two
    shape: Shape
    x: Axis  # of strips and lines a number's; else of the names of the columns
    y: Axis
    marks: Sequence[Mark]  # in the order in which rows and parts are shown
    reference: float | None = None  # a line at that y: a ratio of 1
    commands: Sequence[str] = ()  # that measured it: an example of a server's, and its clients'


@dataclass(frozen=True)
class Section:
    """A question with its answer."""

    title: str
    table: Table | None
    notes: Sequence[str]
    id: str = ""  # on its page: small letters, digits and dashes; "": nobody refers to it
    plots: Sequence[Plot] = ()
    chapter: str = ""  # several sections on one subject stand together


@dataclass(frozen=True)
class Told:
    """What a section says in words and in its table, as it is written; what it draws is kept apart, as numbers."""

    section: str  # its id
    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]


@dataclass(frozen=True)
class Clause:
    """A part of a sentence, and where its figures stand."""

    text: str
    section: str = ""  # the id of that section; "": there is nothing to look at
    spare: int = 0  # where there is no room the highest are left out first; 0 stays. Without it the sentence is whole


@dataclass(frozen=True)
class Sentence:
    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        return "".join(one.text for one in self.clauses)


def said(text: str, section: str = "") -> Sentence:
    """All of it about one section."""
    return Sentence((Clause(text, section),))


@dataclass(frozen=True)
class Caveat:
    """What limits the trust in all of it."""

    kind: str  # a word or two in capitals, such as INVALID
    text: str  # what happened, a sentence
    therefore: str = ""  # what must not be concluded, a sentence


@dataclass(frozen=True)
class Look:
    """A contestant's: the same wherever it is drawn."""

    model: int  # its place among all models, from 0: the colour
    kind: str  # model, variant, bare or peer: the dash and the symbol


@dataclass(frozen=True)
class Document:
    head: Sequence[str]  # paragraphs: what was measured, where and how
    sections: Sequence[Section]
    closing: Sequence[str] = ()  # lines: what went wrong, how it ended
    words: Sequence[Sentence] = ()  # the answer, for who reads no tables
    title: str = ""
    subtitle: str = ""  # when and where
    caveats: Sequence[Caveat] = ()
    machine: Sequence[tuple[str, str]] = ()  # a card: what, and its value
    commands: Sequence[tuple[str, str]] = ()  # what it does, and the command: to repeat this
    method: Sequence[str] = ()  # paragraphs: how it was measured, and what that cannot tell
    looks: Mapping[str, Look] = field(default_factory=dict)  # by contestant
    watched: bool = False  # whether other load was looked for, so that no caveat means something

    @property
    def plots(self) -> list[Plot]:
        return [plot for section in self.sections for plot in section.plots]

    @property
    def told(self) -> list[Told]:
        none = Table(())
        tables = [(section, section.table or none) for section in self.sections]
        return [Told(one.id, one.title, table.heads, table.rows, one.notes) for one, table in tables]
