"""The plots of memory: the price of a connection, the sizes level by level, what forked workers share, and what the
main job's models take. Sizes are in MiB, prices in KiB. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from loadtest.document.document import Axis, Mark, Plot, Scale, Shape
from loadtest.document.figures import listed
from loadtest.engine.run import Part
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.system.memory import Memory
from loadtest.verbs.memory.clients import IdleResult, PlateauResult, SharingPoint, SharingResult, absence
from loadtest.verbs.memory.sizes import (  # fmt: skip
    ANONYMOUS,
    KERNEL,
    PRIVATE,
    PSS,
    RSS,
    Bytes,
    by_contestant,
    charged,
    price,
    shared,
)

WIDE = 20  # times the least: from there on a logarithmic axis keeps the least readable
UNTOLD = "the kernel does not tell"
SUMMED = "summed RSS"
COMPOSITION: dict[str, Bytes] = {
    "private": PRIVATE,
    "shared": lambda one: shared(one.memory),
    "kernel": KERNEL,
    SUMMED: RSS,
}


def scale(marks: Sequence[Mark]) -> Scale:
    """Logarithmic where they lie far apart, and all can be on such an axis."""
    known = [mark.y for mark in marks if mark.y is not None]
    return Scale.log if known and min(known) > 0 and max(known) > WIDE * min(known) else Scale.linear


def mebi(size: float | None) -> float | None:
    return None if size is None else size / 2**20


# --- the price of an idle connection


def prices(part: Part) -> list[Plot]:
    """Those that somebody has."""
    beyond = "of the server's container" if charged(part) else "of the whole machine, both ends of each connection"
    found = [
        _prices(part, "memory-price-heap", "Heap and stack", ANONYMOUS, "in heap and stack"),
        _prices(part, "memory-price-kernel", "Kernel memory", KERNEL, f"of the kernel's memory, {beyond}"),
    ]
    return [plot for plot in found if any(mark.y is not None for mark in plot.marks)]


def _prices(part: Part, name: str, what: str, value: Bytes, where: str) -> Plot:
    marks = [_price_mark(who, results, value) for who, results in by_contestant(part).items()]
    return Plot(
        id=name,
        title=f"{what} for each idle connection",
        caption=f"What one connection more takes {where}: further left is cheaper. The thin line is the interval at "
        "95 % of the median over the rounds; without it there were too few rounds for one.",
        shape=Shape.dots,
        x=Axis("contestant"),
        y=Axis(f"{what.lower()} for each connection", "KiB", scale(marks)),
        marks=marks,
        commands=commands(part.results),
    )


def _price_mark(name: str, results: Sequence[IdleResult], value: Bytes) -> Mark:
    found, rounds = price(results, value), len({result.step.round for result in results})
    if found.each is None:
        return Mark(name, note="no price: fewer than three levels were measured")
    if found.bent:
        return Mark(name, note=f"no single price: a level lies {found.off:.0%} of the rise off the line")
    if (interval := found.each.interval) is None:
        few = f"indicative: {rounds} of the {LEAST_ROUNDS} rounds that an interval takes"
        return Mark(name, y=found.each.median, note=few)
    return Mark(name, y=found.each.median, low=interval.low, high=interval.high)


# --- level by level


def levels(part: Part) -> list[Plot]:
    lines = [
        _lines(
            part, "memory-levels-heap", "Heap and stack", ANONYMOUS, "What belongs to no file: it is what to compare."
        ),
        _lines(part, "memory-levels-pss", "PSS", PSS, "Everything that the processes map, shared pages counted once."),
    ]
    return [plot for plot in [*lines, *_composition(part)] if any(mark.y is not None for mark in plot.marks)]


def _lines(part: Part, name: str, what: str, value: Bytes, meaning: str) -> Plot:
    marks = [mark for who, results in by_contestant(part).items() for mark in _line(part, who, results, value)]
    return Plot(
        id=name,
        title=f"{what} against idle connections",
        caption=f"{meaning} Where a line is flat, the server's own size outweighs its connections; where it rises, "
        "they are what takes the memory. Both axes are logarithmic. Medians; the band is from the lowest to the "
        "highest round. A logarithmic axis has no place for 0 connections: the table of this section has them.",
        shape=Shape.lines,
        x=Axis("idle connections", scale=Scale.log),
        y=Axis(what, "MiB", Scale.log),
        marks=marks,
        commands=commands(part.results),
    )


def _line(part: Part, name: str, results: Sequence[IdleResult], value: Bytes) -> Iterator[Mark]:
    """A note where it ends before the others."""
    rounds = {level: _sizes(results, level, value) for level in part.settings.levels if level}
    known = {level: sizes for level, sizes in rounds.items() if sizes and min(sizes) > 0}
    why = absence(part.settings, part.settings.contestant(name), max(part.settings.levels))
    for level, sizes in known.items():
        note = f"goes no higher: it {why}" if why and level == max(known) else ""
        yield Mark(name, level, median(sizes), min(sizes), max(sizes), note=note)


def _sizes(results: Sequence[IdleResult], level: int, value: Bytes) -> list[float]:
    """In MiB, of each round."""
    found = [value(result) for result in results if result.step.connections == level]
    return [size / 2**20 for size in found if size is not None]


def _composition(part: Part) -> list[Plot]:
    """At the highest level that everybody has reached."""
    everybody = by_contestant(part)
    reached = [{result.step.connections for result in results} for results in everybody.values()]
    level = max(set.intersection(*reached), default=0) if reached else 0
    if not level:
        return []
    marks = [mark for name, results in everybody.items() for mark in _parts(name, level, results)]
    return without_and_with_sums(_composed(part, level, marks))


def _composed(part: Part, level: int, marks: Sequence[Mark]) -> Plot:
    whole, beyond = (
        ("and what the kernel charges to its container", "charged to the container")
        if charged(part)
        else ("and the kernel memory of both ends of each connection", "by how much the whole machine's changed")
    )
    return Plot(
        id="memory-levels-parts",
        title=f"What {level:,} idle connections take",
        caption=f"The whole bar is the user memory of the server {whole}. private: pages of one process alone; shared: "
        f"pages that several processes map, counted once; kernel: sockets, tasks, stacks and page tables, {beyond}. "
        f"Medians of the rounds, at {level:,} connections, the most that everybody has held.",
        shape=Shape.bars,
        x=Axis("contestant"),
        y=Axis("memory", "MiB"),
        marks=marks,
        commands=commands(part.results),
    )


def _parts(name: str, level: int, results: Sequence[IdleResult]) -> Iterator[Mark]:
    for what, value in COMPOSITION.items():
        sizes = _sizes(results, level, value)
        if not sizes:
            yield Mark(name, part=what, note=_missing(results))
        elif median(sizes) < 0:
            yield Mark(name, part=what, note="others gave memory back meanwhile: more than this server took")
        else:
            yield Mark(name, y=median(sizes), part=what)


def without_and_with_sums(bars: Plot) -> list[Plot]:
    """Two plots, because the sums may be many times as long, and have nothing of the kernel's; one where they are not
    known."""
    marks = [mark for mark in bars.marks if mark.part != SUMMED]
    alone = replace(bars, marks=marks, caption=bars.caption + _too_short(marks))
    if all(mark.y is None for mark in bars.marks if mark.part == SUMMED):
        return [alone]
    mapped = [mark for mark in bars.marks if mark.part in ("private", "shared", SUMMED)]
    outline = (
        "private and shared as in the plot above: together they are PSS. Around each bar is the sum of all processes' "
        "RSS, which counts a shared page once for each process. What the outline has beyond its bar is an "
        "overstatement. The kernel's memory is in neither of the two, and left out."
    )
    title = f"{bars.title}, and what a sum of RSS makes of it"
    return [
        alone,
        replace(bars, id=f"{bars.id}-summed", title=title, caption=outline + _too_short(mapped), marks=mapped),
    ]


def _too_short(marks: Sequence[Mark]) -> str:
    """A bar does not show what it lacks."""
    lacking = list(dict.fromkeys(f"{mark.row} ({mark.part})" for mark in marks if mark.y is None))
    return f" Part of the bar is not known, and missing from it: {listed(lacking)}." if lacking else ""


def _missing(results: Sequence[IdleResult]) -> str:
    reasons = [result.memory.unknown or result.machine_problem for result in results]
    return f"not known: {next(filter(None, reasons), UNTOLD)}"


# --- what forked workers share


def sharing(part: Part) -> list[Plot]:
    found = [
        _worn(part, "memory-sharing-shared", "Shared", "pages that several processes map, counted once"),
        _worn(part, "memory-sharing-private", "Private", "pages of one process alone, added over all processes"),
    ]
    return [plot for plot in found if plot.marks]


def _worn(part: Part, name: str, what: str, meaning: str) -> Plot:
    size = (lambda memory: memory.private) if what == "Private" else shared
    marks = [
        Mark(result.step.contestant, point.requests, mebi(found), note=_processes(point))
        for result in part.results
        for point in result.points
        if (found := size(point.memory)) is not None
    ]
    return Plot(
        id=name,
        title=f"{what} memory against requests of each worker",
        caption=f"{what}: {meaning}. A falling line of shared memory and a rising one of private memory are pages that "
        "were copied because somebody wrote to them; flat lines are pages that stay shared. A single process shares "
        "nothing but libraries with other programs. One look at each point.",
        shape=Shape.lines,
        x=Axis("requests that each worker has answered"),
        y=Axis(f"{what.lower()} memory", "MiB"),
        marks=marks,
        commands=commands(part.results),
    )


def _processes(point: SharingPoint) -> str:
    return f"{point.memory.processes} process{'' if point.memory.processes == 1 else 'es'}"


# --- the main job


def plateaus(part: Part) -> list[Plot]:
    """While every connection has a request in hand."""
    valid = [result for result in part.results if not result.problems]
    found = [_heaps(part, valid), *without_and_with_sums(_busy(part, valid))]
    return [plot for plot in found if any(mark.y is not None for mark in plot.marks)]


def _heaps(part: Part, valid: Sequence[PlateauResult]) -> Plot:
    looks = ("at start", "busy", "idle")
    marks = [
        Mark(result.step.contestant, y=mebi(memory.anonymous), part=look)
        for result in valid
        for look, memory in zip(looks, (result.at_start, result.busy, result.idle), strict=True)
        if memory.anonymous is not None
    ]
    return Plot(
        id="memory-heap",
        title="Heap and stacks at start, busy and idle",
        caption="What belongs to no file, which is what to compare: at start; busy, while all of "
        f"{part.settings.connections} connections have a request in hand; idle, when these are answered and kept. A "
        "long line is memory that comes with the requests. One look each.",
        shape=Shape.dots,
        x=Axis("contestant"),
        y=Axis("heap and stacks", "MiB"),
        marks=marks,
        commands=commands(valid),
    )


def _busy(part: Part, valid: Sequence[PlateauResult]) -> Plot:
    beyond = "kernel" if any(result.busy.group for result in valid) else "page tables"
    marks = [mark for result in valid for mark in _busy_parts(result.step.contestant, result.busy, beyond)]
    whole, said = (
        ("all that the kernel charges to its container", "sockets, tasks, stacks and page tables")
        if beyond == "kernel"
        else ("its page tables, without what else the kernel takes for it", "of all processes")
    )
    return Plot(
        id="memory-parts",
        title=f"What the server takes with {part.settings.connections} requests in hand",
        caption=f"The whole bar is the user memory of the server and {whole}. private: pages of one process alone; "
        f"shared: pages that several processes map, counted once, libraries mostly; {beyond}: {said}. One look each.",
        shape=Shape.bars,
        x=Axis("contestant"),
        y=Axis("memory", "MiB"),
        marks=marks,
        commands=commands(valid),
    )


def _busy_parts(name: str, memory: Memory, beyond: str) -> Iterator[Mark]:
    group = memory.group
    kernel = None if group is None or group.kernel is None else group.kernel + (group.sockets or 0)
    sizes = {
        "private": memory.private,
        "shared": shared(memory),
        beyond: memory.page_tables if beyond == "page tables" else kernel,
        SUMMED: memory.rss,
    }
    for what, size in sizes.items():
        note = "" if size is not None else f"not known: {memory.unknown or UNTOLD}"
        yield Mark(name, y=mebi(size), part=what, note=note)


def commands(results: Sequence[IdleResult | SharingResult | PlateauResult]) -> list[str]:
    """An example: the last result's, which has the most clients of those that were not mixed."""
    if not results:
        return []
    last = max(results, key=lambda one: one.step.connections if isinstance(one, IdleResult) else 0)
    clients = [last.client.command] if isinstance(last, IdleResult) else last.client_commands
    return [last.server_command, *filter(None, clients)]
