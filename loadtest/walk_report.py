"""The walks of one request side by side, as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.table import Table

from loadtest.text import Section, render_section, table
from loadtest.walk_sequence import Call, Connection, Walk

TITLES = {
    Connection.kept: "Which system calls does a request make, on a connection that is kept?",
    Connection.fresh: "Which does it make on a connection of its own (Connection: close)?",
}

GAP = 2  # between columns, at most

COUNTS = "How many of each?"

NOTES = (
    "A request's calls: from the wait in which it came, until the server was quiet after the answer. The wait for the "
    "next one is not counted, nor are waits that expired (each blocking worker looks up every 100 ms). Asio's timer is "
    "no such wait: a request that it met differs from the others, and is outvoted.",
    "Alike: requests that made the same calls with the same errors in the same processes; one of them is shown. "
    "How processes took turns is chance, and so are the futex calls of a queue.",
    "strace makes every call dearer: this tells what is called, not how long it takes.",
)


def render(walks: Sequence[Walk], width: int = 100) -> str:
    return "\n".join(render_section(section, width) for section in sections(walks, width)) + "\n"


def sections(walks: Sequence[Walk], width: int) -> list[Section]:
    """For each kind of connection: the calls in order, in as many tables as the width takes; then how many by name.
    What holds for all is noted below the last."""
    kinds = [[walk for walk in walks if walk.kind == kind] for kind in Connection]
    *found, last = [section for alike in kinds if alike for section in _of_kind(alike, width)]
    return [*found, replace(last, notes=[*last.notes, *NOTES])]


def _of_kind(walks: Sequence[Walk], width: int) -> Iterator[Section]:
    title = TITLES[walks[0].kind]
    for columns in _fitting([_column(walk) for walk in walks], width):
        yield Section(title, _side_by_side(columns), [])
        title = "(continued)"
    *tables, last = _by_name(walks, width)
    yield from (Section(COUNTS, one, []) for one in tables)
    yield Section(COUNTS, last, _doubts(walks))


def _doubts(walks: Sequence[Walk]) -> list[str]:
    return [
        f"{walk.contestant}: no more than {walk.agreeing} of {walk.samples} requests were alike; do not trust it."
        for walk in walks
        if 2 * walk.agreeing <= walk.samples
    ]


def _column(walk: Walk) -> list[str]:
    """The contestant, its calls below the process that made them, and the sums."""
    lines, last = [walk.contestant], ""
    several = len({call.process for call in walk.calls}) > 1
    for call in walk.calls:
        if several and call.process != last:
            lines.append(f"{call.process}:")
        lines.append(("  " if several else "") + _line(call))
        last = call.process
    return [*lines, f"{len(walk.calls)} calls", f"{walk.agreeing} of {walk.samples} alike"]


def _line(call: Call) -> str:
    """With its result, unless that is an address or nothing."""
    shown = call.result not in ("", "?") and not call.result.startswith("0x")
    return f"{call.name} = {call.result}" if shown else call.name


def _fitting(columns: Sequence[list[str]], width: int) -> list[list[list[str]]]:
    """In groups that fit beside each other."""
    groups: list[list[list[str]]] = [[]]
    left = width
    for column in columns:
        needed = max(map(len, column)) + GAP
        if needed > left and groups[-1]:
            groups.append([])
            left = width
        groups[-1].append(column)
        left -= needed
    return groups


def _side_by_side(columns: Sequence[list[str]]) -> Table:
    filled = table(*(column[0] for column in columns))
    for column in filled.columns:
        column.justify = "left"
    bodies = [column[1:-2] for column in columns]
    for index in range(max(map(len, bodies))):
        filled.add_row(*(body[index] if index < len(body) else "" for body in bodies))
    filled.add_section()
    for sums in (-2, -1):
        filled.add_row(*(column[sums] for column in columns))
    return filled


def _by_name(walks: Sequence[Walk], width: int) -> list[Table]:
    total = Counter(call.name for walk in walks for call in walk.calls)
    names = [name for name, _ in total.most_common()]
    columns = [_counts(walk, names) for walk in walks]
    groups = _fitting(columns, width - max(map(len, names)) - GAP)
    return [_count_table(names, group) for group in groups]


def _counts(walk: Walk, names: Sequence[str]) -> list[str]:
    """The lines of the heading, the counts, the sum."""
    count = Counter(call.name for call in walk.calls)
    return [*walk.contestant.split("-"), *(str(count[name] or "") for name in names), str(count.total())]


def _count_table(names: Sequence[str], columns: Sequence[list[str]]) -> Table:
    length = len(names) + 1
    filled = table("", *("\n".join(column[:-length]) for column in columns))
    for index, name in enumerate(names):
        filled.add_row(name, *(column[-length:][index] for column in columns))
    filled.add_section()
    filled.add_row("all", *(column[-1] for column in columns))
    return filled
