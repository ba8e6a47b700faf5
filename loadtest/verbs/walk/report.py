"""The walks of one request side by side, as text. Pure."""

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from loadtest.document.document import Section, Table
from loadtest.engine.run import Run
from loadtest.verbs.walk.sequence import Connection, Walk

TITLES = {
    Connection.kept: "Which system calls does a request make, on a connection that is kept?",
    Connection.fresh: "Which does it make on a connection of its own (Connection: close)?",
}
NOTES = (
    "A request's calls: from the wait in which it came, until the server was quiet after the answer. The wait for the "
    "next one is not counted, nor are waits that expired (each blocking worker looks up every 100 ms). Asio's timer is "
    "no such wait: a request that it met differs from the others, and is outvoted.",
    "Alike: requests that made the same calls with the same errors in the same processes; one of them is shown. Where "
    "they are no majority, do not trust it. How processes took turns is chance, and so are the futex calls of a queue.",
    "strace makes every call dearer: this tells what is called, not how long it takes.",
)


def sections(run: Run) -> list[Section]:
    """For each kind of connection: the calls in order; then how many by name. Last what holds for all."""
    found = []
    for kind, title in TITLES.items():
        if walks := [walk for result in run.results for walk in result.walks if walk.kind == kind]:
            found += [_side_by_side(title, walks), _by_name(walks)]
    return [*found, Section("What is a call of a request?", None, NOTES)] if found else []


def _side_by_side(title: str, walks: Sequence[Walk]) -> Section:
    filled = Table(("", *(walk.contestant for walk in walks)), numbers=False, wide=True)
    for number, cells in enumerate(zip_longest(*map(_column, walks), fillvalue=""), start=1):
        filled.add_row(str(number), *cells)
    filled.add_rule()
    filled.add_row("calls", *(str(len(walk.calls)) for walk in walks))
    filled.add_row("alike", *(f"{walk.agreeing} of {walk.samples}" for walk in walks))
    return Section(title, filled, [])


def _column(walk: Walk) -> list[str]:
    """Its calls, with their results unless these are addresses or nothing; below the process that made them where there
    are several."""
    lines, last = [], ""
    several = len({call.process for call in walk.calls}) > 1
    for call in walk.calls:
        if several and call.process != last:
            lines.append(f"{call.process}:")
        result = "" if call.result in ("", "?") or call.result.startswith("0x") else f" = {call.result}"
        lines.append(f"{'  ' if several else ''}{call.name}{result}")
        last = call.process
    return lines


def _by_name(walks: Sequence[Walk]) -> Section:
    counts = [Counter(call.name for call in walk.calls) for walk in walks]
    filled = Table(("", *(walk.contestant.replace("-", "\n") for walk in walks)), wide=True)
    for name, _ in sum(counts, Counter()).most_common():
        filled.add_row(name, *(str(count[name] or "") for count in counts))
    return Section("How many of each?", filled, [])
