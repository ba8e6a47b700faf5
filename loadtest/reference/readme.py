"""What READMEs show of the reference run: tables, pictures and sentences between two comments, which are made of it and
never written by hand."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

from loadtest.contestants.contestants import CLASSIC
from loadtest.document.document import Plot, Told
from loadtest.document.figures import DASH, plural
from loadtest.reference.reference import Reference, markdown

BLOCK = re.compile(r"(<!-- from the reference run: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NAMES = [model.name for model in CLASSIC]
LATENCY, COSTS = "How long does a request take at a constant rate?", "What does a request take?"
THROUGHPUT, DISTANCE = "How many requests are answered in a second?", "How far from the best of its kind"
HIGHEST = "What is the highest rate at which"
SLOW, FAST, FULL_LOAD = ("1,000 requests/s",), ("20,000 requests/s",), ("64 connections", "1 server CPU")
SEEN = "crash-matrix-seen"
PICTURES = {"throughput": "connections-requests", "crash": "crash-segv-strip"}  # of a file's name: the figure's id
SHOWN = ("segv", "spin", "stack-overflow", "use-after-free", "fd-leak", "slow-headers")  # of all faults
OUTAGE = re.compile(r"to the end|[\d.]+ s")  # a line of a cell


def filled(text: str, reference: Reference) -> str:
    """With each block as it is made of the reference. Raises ValueError where one cannot be made."""

    def fill(block: re.Match[str]) -> str:
        begin, name, end = block.groups()
        if name not in BLOCKS:
            raise ValueError(f"no block is called {name!r}; there are {', '.join(BLOCKS)}")
        return f"{begin}{BLOCKS[name](reference).strip()}\n{end}"

    return BLOCK.sub(fill, text)


# --- sentences


def run(reference: Reference) -> str:
    environment = reference.run.environment
    machine = f"a {'virtual ' if environment.virtual else ''}machine with {plural(environment.cpus, 'CPU')}"
    return _paragraph(
        f"`{environment.command}` took {reference.run.seconds / 60:.0f} minutes on {machine} "
        f"({environment.cpu_model}; Linux {environment.kernel}; {environment.system}), at commit {environment.commit}."
    )


def answer(reference: Reference) -> str:
    return "\n>\n".join(_paragraph(sentence, "> ") for sentence in reference.answer)


def _paragraph(text: str, beginning: str = "") -> str:
    """`beginning` of each line."""
    return textwrap.fill(
        text, 130, initial_indent=beginning, subsequent_indent=beginning, break_on_hyphens=False, break_long_words=False
    )


# --- tables


def column(told: Told, head: str) -> dict[str, str]:
    """Cells by the row's name. Raises ValueError where not one column's head begins like that."""
    found = [place for place, one in enumerate(told.heads) if _line(one).startswith(head)]
    if len(found) != 1:
        raise ValueError(f"{told.title!r} has {len(found)} columns {head!r}: {', '.join(map(repr, told.heads))}")
    return {row[0]: _line(row[found[0]]) for row in told.rows}


def _line(cell: str) -> str:
    return " ".join(cell.split())


def side_by_side(columns: Mapping[str, Mapping[str, str]]) -> str:
    """A row for each model."""
    return markdown(["", *columns], ([name, *(cells.get(name, DASH) for cells in columns.values())] for name in NAMES))


def cost(reference: Reference) -> str:
    slow, busy = reference.table(LATENCY, *SLOW), reference.table(THROUGHPUT, *FULL_LOAD)
    return side_by_side(
        {
            "CPU for a request at 1,000/s, us": column(slow, "CPU us"),
            "x prefork, 95 % interval": column(slow, "x prefork"),
            "requests/s at full load, 64 connections": column(busy, "requests/s"),
            "CPU for a request there, us": column(busy, "CPU us"),
            "heap and stacks there, MiB": column(reference.table(COSTS, *FULL_LOAD), "heap, stack"),
        }
    )


def peers(reference: Reference) -> str:
    told = reference.table(DISTANCE, *FAST)
    return side_by_side({head: column(told, head) for head in map(_line, told.heads[1:])})


def highest(reference: Reference) -> str:
    told = reference.table(HIGHEST)
    heads = {"requests/s, 95 % interval": "requests/s", "x prefork, 95 % interval": "x prefork"}
    return side_by_side({title: column(told, head) for title, head in heads.items()})


# --- faults


def verdicts(plot: Plot) -> dict[str, dict[str, str]]:
    """By fault and contestant, without outages; of tries that differed all, and what was expected instead."""
    found: dict[str, dict[str, str]] = {}
    for mark in plot.marks:
        lines = [line for line in mark.note.split("\n") if not OUTAGE.fullmatch(line)]
        found.setdefault(mark.row, {})[str(mark.x)] = " ".join(lines)
    return found


def faults(reference: Reference) -> str:
    """Raises ValueError where one of those that READMEs speak of was not tried."""
    seen = verdicts(reference.figure(SEEN))
    if missing := [name for name in SHOWN if name not in seen]:
        raise ValueError(f"the reference has no try of {', '.join(missing)}")
    return _verdicts([([name], seen[name]) for name in SHOWN])


def matrix(reference: Reference) -> str:
    """Faults that did the same to everybody are together, where the first of them stands."""
    plot, together = reference.figure(SEEN), dict[tuple[tuple[str, str], ...], list[str]]()
    for fault, row in verdicts(plot).items():
        together.setdefault(tuple(row.items()), []).append(fault)
    agreement, _, _ = plot.caption.partition(" A row is ")
    return f"{_verdicts([(names, dict(row)) for row, names in together.items()])}\n{agreement}\n"


def _verdicts(rows: Sequence[tuple[Iterable[str], Mapping[str, str]]]) -> str:
    contestants = list(dict.fromkeys(name for _, row in rows for name in row))
    lines = [
        [", ".join(f"`{fault}`" for fault in names), *(row.get(one, DASH) for one in contestants)]
        for names, row in rows
    ]
    return markdown(["", *contestants], lines)


# --- pictures


def picture(name: str) -> Callable[[Reference], str]:
    """With what a reader of it needs, and an example of the commands that measured it. Paths are those of the README
    at the repository's root."""

    def shown(reference: Reference) -> str:
        plot = reference.figure(PICTURES[name])
        commands = "".join(f"    {command}\n" for command in plot.commands)
        caption = _paragraph(f"{plot.title}. {plot.caption}")
        example = "For example (port 0: the server takes a free one, and tells it):"
        return f"![{plot.title}](loadtest/reference/{name}.svg)\n\n{caption} {example}\n\n{commands}"

    return shown


BLOCKS: dict[str, Callable[[Reference], str]] = {
    "run": run,
    "answer": answer,
    "cost": cost,
    "peers": peers,
    "highest": highest,
    "faults": faults,
    "matrix": matrix,
    **{f"picture-{name}": picture(name) for name in PICTURES},
}
