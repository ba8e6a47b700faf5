"""The tables of `memory`: what an idle connection costs, and what forked workers share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, mebibytes, number, plural, ratio
from loadtest.engine.run import Part, Run
from loadtest.statistics import lines
from loadtest.statistics.stats import Estimate, estimate
from loadtest.verbs.memory.plan import absence
from loadtest.verbs.memory.results import IdleResult, SharingPoint, SharingResult, shared

ROUNDS_FOR_INTERVALS = 6
Bytes = Callable[[IdleResult], int | None]
PSS, ANONYMOUS = attrgetter("memory.pss"), attrgetter("memory.anonymous")
PRIVATE, SHARED = attrgetter("memory.private"), attrgetter("shared")
PAGE_TABLES, KERNEL = attrgetter("memory.page_tables"), attrgetter("kernel")


def head(run: Run) -> list[str]:
    settings = run.parts[0].settings
    counts = ", ".join(f"{level:,}" for level in settings.levels)
    found = [
        f"Idle connections: {counts}; each level has a server of its own, in {plural(settings.rounds, 'round')}, and "
        "each connection was answered once."
    ]
    if settings.rounds < ROUNDS_FOR_INTERVALS:
        found.append(
            f"INDICATIVE: {settings.rounds} of the {ROUNDS_FOR_INTERVALS} rounds that an interval takes. Medians only."
        )
    return found


def sections(run: Run) -> list[Section]:
    idle, asked = run.parts
    found = []
    if idle.results:
        found += [slopes(idle), levels(idle)]
    if asked.results:
        found.append(sharing(asked))
    return found


# --- what a connection costs


@dataclass(frozen=True)
class Cost:
    """Of one connection more."""

    kibibytes: Estimate
    miss: float  # of the worst round, as lines.Line says


def cost(results: Sequence[IdleResult], value: Bytes) -> Cost | None:
    """A line for each round, because what disturbs a round disturbs all of it; None below three levels."""
    rounds = sorted({result.step.round for result in results})
    found = [line for number in rounds if (line := lines.fit(_points(results, number, value)))]
    if not found:
        return None
    return Cost(estimate([line.slope / 1024 for line in found]), max(line.miss for line in found))


def _points(results: Sequence[IdleResult], number: int, value: Bytes) -> list[tuple[float, float]]:
    return [
        (result.step.connections, size)
        for result in results
        if result.step.round == number and (size := value(result)) is not None
    ]


def slopes(part: Part) -> Section:
    """The headline: KiB for each connection more."""
    charged = _charged(part.results)
    filled = table(
        "", "most\nheld", "PSS,\nKiB each", "\nline off", "heap, stack\nKiB each", "\nline off",
        "page tables\nKiB each", "kernel,\nKiB each" if charged else "kernel, both\nends, KiB each", "\nline off",
    )  # fmt: skip
    for name, results in _by_contestant(part).items():
        costs = [cost(results, value) for value in (PSS, ANONYMOUS, PAGE_TABLES, KERNEL)]
        filled.add_row(name, f"{max(result.step.connections for result in results):,}", *_cost_columns(costs))
    notes = [
        "The slope of a straight line through all levels, by least squares: what one connection more costs. The "
        "largest levels decide it. Line off: how far the worst level lies beside the line, as a share of the line's "
        "rise; from some 10 % on, a connection has no single price.",
        "PSS is what the server's processes have in user space. Heap, stack: the part of it that is no file's "
        "(Pss_Anon), without the noise of who else on the machine maps the same libraries. For a blocking server the "
        "price includes the connection's own process or thread.",
        _kernel_note(charged),
        *_bounds_notes(part),
        *_machine_notes(part),
    ]
    return Section("What does an idle connection cost?", filled, notes)


def _cost_columns(costs: Sequence[Cost | None]) -> list[str]:
    pss, anonymous, page_tables, kernel = costs
    return [*_priced(pss), *_priced(anonymous), _each(page_tables), *_priced(kernel)]


def _priced(found: Cost | None) -> list[str]:
    return [_each(found), _miss(found)]


def _each(found: Cost | None) -> str:
    return DASH if found is None else _signed(found.kibibytes)


def _signed(found: Estimate) -> str:
    """Almost nothing is nothing, and may be less than that."""
    flat = abs(found.median) < 0.005
    return "0" if flat else f"-{number(-found.median)}" if found.median < 0 else ratio(found)


def _miss(found: Cost | None) -> str:
    if found is None or abs(found.kibibytes.median) < 0.005:
        return DASH
    return f"{found.miss:.0%}"


def _charged(results: Sequence[IdleResult]) -> bool:
    return any(result.memory.group for result in results)


def _kernel_note(charged: bool) -> str:
    if charged:
        return (
            "Kernel: what the kernel charges to the server's container: sockets, files, tasks, stacks and page tables, "
            "of its own ends of the connections only; to some 100 KiB. cgroup v1 knows only the sum."
        )
    return (
        "Kernel: how the whole machine's slabs, kernel stacks, page tables, per-CPU and TCP memory have grown, with "
        "both ends of every connection in it, since both are here: about half of a socket's part is the clients'. "
        "Shown where the machine had it back afterwards. In a container (--runner docker) the server's share is exact."
    )


def _bounds_notes(part: Part) -> list[str]:
    """Who did not go as far as the others, and why."""
    settings = part.settings
    reasons: dict[str, list[str]] = {}
    for contestant in settings.contestants:
        left_out = [level for level in settings.levels if absence(settings, contestant, level)]
        if left_out:
            reasons.setdefault(f"{absence(settings, contestant, max(left_out))}", []).append(contestant.name)
    return [f"{', '.join(names)}: no higher level, {reason}." for reason, names in reasons.items()]


def _machine_notes(part: Part) -> list[str]:
    lost = [result for result in part.results if not result.memory.group and result.machine is None]
    if not lost:
        return []
    first = lost[0]
    return [
        f"Kernel memory is missing from {len(lost)} of {len(part.results)} runs: other programs took or gave back "
        f"memory meanwhile (such as {first.step.contestant} at {first.step.connections:,}: {first.machine_problem})."
    ]


# --- level by level


def levels(part: Part) -> Section:
    filled = table(
        "", "connections", "processes", "PSS\nMiB", "private\nMiB", "shared\nMiB", "page tables\nMiB",
        "kernel\nMiB" if _charged(part.results) else "kernel, both\nends, MiB",
    )  # fmt: skip
    for name, results in _by_contestant(part).items():
        for level in part.settings.levels:
            filled.add_row(
                name, f"{level:,}", *_level_columns([result for result in results if result.step.connections == level])
            )
            name = ""  # once is enough
    notes = [
        "Of the whole process tree, medians over the rounds. PSS = private + shared. Private: pages that one process "
        "alone maps; shared: pages that several map, counted once. Pages of files go by who maps them on the whole "
        "machine: the executable's are private while nobody else runs it, and of libc's the PSS counts a part.",
        "Address space layout randomization decides, at each start, how many pages a process's heap, stack and page "
        "tables begin and end in: between rounds a process may differ by some 4 KiB, and a thousand by some 4 MiB.",
        "At 0 the server has answered one request, on a connection that is closed.",
        "Each level has a server of its own: one that has served more before would show what its allocator has kept.",
        *_unknown_notes(part.results),
    ]
    if part.settings.ballast:
        notes.append(f"Every server holds a ballast of {part.settings.ballast} MiB.")
    return Section("How much memory does the server take, level by level?", filled, notes)


def _level_columns(results: Sequence[IdleResult]) -> list[str]:
    if not results:
        return [DASH] * 6
    processes = f"{median(result.memory.processes for result in results):,.0f}"
    return [processes, *(_middle(results, size) for size in (PSS, PRIVATE, SHARED, PAGE_TABLES, KERNEL))]


def _middle(results: Sequence[IdleResult], value: Bytes) -> str:
    known = [size for result in results if (size := value(result)) is not None]
    return _mebibytes(median(known)) if known else DASH


def _mebibytes(size: float) -> str:
    """Of a change, which may be nothing, or less than that by other programs' doing."""
    return mebibytes(0 if abs(size) < 0.05 * 2**20 else round(size))


def _unknown_notes(results: Sequence[IdleResult]) -> list[str]:
    reasons = {result.memory.unknown for result in results} - {""}
    return [f"No PSS, private and shared memory: {reason}." for reason in sorted(reasons)]


def _by_contestant(part: Part) -> dict[str, list[IdleResult]]:
    """In the order of the settings; those that were measured."""
    return {one.name: results for one in part.settings.contestants if (results := part.of(one.name))}


# --- copy-on-write


def sharing(part: Part) -> Section:
    settings = part.settings
    filled = table(
        "", "requests of\neach worker", "processes", "PSS\nMiB", "shared\nMiB", "private,\nmedian process, KiB",
        "\nlargest, KiB", "page tables\nMiB",
    )  # fmt: skip
    for result in part.results:
        name = result.step.contestant
        for point in result.points:
            filled.add_row(name, f"{point.requests:,}", *_sharing_columns(point))
            name = ""
    notes = [
        f"{settings.workers} workers with a ballast of {settings.ballast} MiB that their parent has written before the "
        f"fork; GET {settings.path}, over one connection for each worker. Once.",
        *map(_verdict, part.results),
        "A fork copies page tables, not pages; a page is copied when somebody writes to it. Nobody here writes to the "
        "ballast. A runtime that keeps reference counts or marks for its collector inside objects writes by reading: "
        "its workers would copy theirs.",
        "A single process has nobody to share with: all it holds is private from the start, its ballast too.",
    ]
    return Section("What does a forked worker share, and for how long?", filled, notes)


def _sharing_columns(point: SharingPoint) -> list[str]:
    sizes = [point.memory.pss, shared(point.memory)]
    each = [median(point.private), max(point.private)] if point.private else []
    return [
        str(point.memory.processes),
        *(DASH if size is None else mebibytes(size) for size in sizes),
        *([f"{size / 1024:,.0f}" for size in each] or [DASH] * 2),
        mebibytes(point.memory.page_tables),
    ]


def _verdict(result: SharingResult) -> str:
    """What became of a worker's private memory from the first look to the last, in one sentence."""
    first, last = result.points[0], result.points[-1]
    if not first.private or not last.private:
        return f"{result.step.contestant}: private memory could not be read."
    before, after = median(first.private) / 1024, median(last.private) / 1024
    return (
        f"{result.step.contestant}: a process's private memory went from {before:,.0f} to {after:,.0f} KiB over "
        f"{last.requests:,} requests, of which {_until_steady(result)}."
    )


def _until_steady(result: SharingResult) -> str:
    """When most of the change had happened."""
    middle = [median(point.private) for point in result.points]
    change = middle[-1] - middle[0]
    if abs(change) < 4096:
        return "nothing to speak of"
    index = next(i for i, size in enumerate(middle) if abs(size - middle[0]) >= 0.9 * abs(change))
    return f"90 % within the first {result.points[index].requests:,}"
