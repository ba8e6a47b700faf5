"""The tables of `memory`: what an idle connection costs, and what forked workers share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from loadtest.document.document import Document, Section, table
from loadtest.document.figures import DASH, mebibytes, number, ratio
from loadtest.statistics import lines
from loadtest.statistics.stats import Estimate, estimate
from loadtest.verbs.memory.plan import DecayRun, IdleResults, IdleRun, absence, shared

ROUNDS_FOR_INTERVALS = 6
Bytes = Callable[[IdleRun], int | None]


def document(results: IdleResults) -> Document:
    return Document(_header(results), sections(results), _closing(results))


def sections(results: IdleResults) -> list[Section]:
    found = [section for make in (slopes, levels, decay) if (section := make(results))]
    where = results.environment.runner
    return found if where == "local" else [replace(one, title=f"{one.title} [{where}]") for one in found]


def _header(results: IdleResults) -> list[str]:
    settings = results.settings
    shown = [
        f"Idle connections: {_list(settings.levels)}; each level has a server of its own, in {settings.rounds} "
        f"round{'' if settings.rounds == 1 else 's'}, and each connection was answered once.",
        f"Server on CPU {_list(settings.cpus.server)}, clients on CPU {_list(settings.cpus.load)}; "
        f"{results.environment.cpu_model}, Linux {results.environment.kernel}.",
    ]
    if settings.rounds < ROUNDS_FOR_INTERVALS:
        shown.append(
            f"INDICATIVE: {settings.rounds} of the {ROUNDS_FOR_INTERVALS} rounds that an interval takes. Medians only."
        )
    return shown


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(f"{one:,}" for one in numbers)


# --- what a connection costs


@dataclass(frozen=True)
class Cost:
    """Of one connection more."""

    kibibytes: Estimate
    miss: float  # of the worst round, as lines.Line says


def cost(runs: Sequence[IdleRun], value: Bytes) -> Cost | None:
    """A line for each round, because what disturbs a round disturbs all of it; None below three levels."""
    rounds = sorted({run.round for run in runs})
    found = [line for number in rounds if (line := lines.fit(_points(runs, number, value)))]
    if not found:
        return None
    return Cost(estimate([line.slope / 1024 for line in found]), max(line.miss for line in found))


def _points(runs: Sequence[IdleRun], number: int, value: Bytes) -> list[tuple[float, float]]:
    return [(run.connections, size) for run in runs if run.round == number and (size := value(run)) is not None]


def _pss(run: IdleRun) -> int | None:
    return run.memory.pss


def _private(run: IdleRun) -> int | None:
    return run.memory.private


def _anonymous(run: IdleRun) -> int | None:
    return run.memory.anonymous


def _page_tables(run: IdleRun) -> int | None:
    return run.memory.page_tables


def _kernel(run: IdleRun) -> int | None:
    return run.kernel


def slopes(results: IdleResults) -> Section | None:
    """The headline: KiB for each connection more."""
    if not results.idle:
        return None
    charged = _charged(results.idle)
    filled = table(
        "", "most\nheld", "PSS,\nKiB each", "\nline off", "heap, stack\nKiB each", "\nline off",
        "page tables\nKiB each", "kernel,\nKiB each" if charged else "kernel, both\nends, KiB each", "\nline off",
    )  # fmt: skip
    for name, runs in _by_contestant(results).items():
        costs = [cost(runs, value) for value in (_pss, _anonymous, _page_tables, _kernel)]
        filled.add_row(name, f"{max(run.connections for run in runs):,}", *_cost_columns(costs))
    notes = [
        "The slope of a straight line through all levels, by least squares: what one connection more costs. The "
        "largest levels decide it. Line off: how far the worst level lies beside the line, as a share of the line's "
        "rise; from some 10 % on, a connection has no single price.",
        "PSS is what the server's processes have in user space. Heap, stack: the part of it that is no file's "
        "(Pss_Anon), without the noise of who else on the machine maps the same libraries. For a blocking server the "
        "price includes the connection's own process or thread.",
        _kernel_note(charged),
        *_bounds_notes(results),
        *_machine_notes(results),
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


def _charged(runs: Sequence[IdleRun]) -> bool:
    return any(run.memory.group for run in runs)


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


def _bounds_notes(results: IdleResults) -> list[str]:
    """Who did not go as far as the others, and why."""
    settings = results.settings
    reasons: dict[str, list[str]] = {}
    for contestant in settings.contestants:
        left_out = [level for level in settings.levels if absence(settings, contestant, level)]
        if left_out:
            reasons.setdefault(f"{absence(settings, contestant, max(left_out))}", []).append(contestant.name)
    return [f"{', '.join(names)}: no higher level, {reason}." for reason, names in reasons.items()]


def _machine_notes(results: IdleResults) -> list[str]:
    lost = [run for run in results.idle if not run.memory.group and run.machine is None]
    if not lost:
        return []
    return [
        f"Kernel memory is missing from {len(lost)} of {len(results.idle)} runs: other programs took or gave back "
        f"memory meanwhile (such as {lost[0].contestant} at {lost[0].connections:,}: {lost[0].machine_problem})."
    ]


# --- level by level


def levels(results: IdleResults) -> Section | None:
    if not results.idle:
        return None
    filled = table(
        "", "connections", "processes", "PSS\nMiB", "private\nMiB", "shared\nMiB", "page tables\nMiB",
        "kernel\nMiB" if _charged(results.idle) else "kernel, both\nends, MiB",
    )  # fmt: skip
    for name, runs in _by_contestant(results).items():
        for level in results.settings.levels:
            filled.add_row(name, f"{level:,}", *_level_columns([run for run in runs if run.connections == level]))
            name = ""  # once is enough
    notes = [
        "Of the whole process tree, medians over the rounds. PSS = private + shared. Private: pages that one process "
        "alone maps; shared: pages that several map, counted once. Pages of files go by who maps them on the whole "
        "machine: the executable's are private while nobody else runs it, and of libc's the PSS counts a part.",
        "Address space layout randomization decides, at each start, how many pages a process's heap, stack and page "
        "tables begin and end in: between rounds a process may differ by some 4 KiB, and a thousand by some 4 MiB.",
        "At 0 the server has answered one request, on a connection that is closed.",
        "Each level has a server of its own: one that has served more before would show what its allocator has kept.",
        *_unknown_notes(results.idle),
    ]
    if results.settings.ballast:
        notes.append(f"Every server holds a ballast of {results.settings.ballast} MiB.")
    return Section("How much memory does the server take, level by level?", filled, notes)


def _level_columns(runs: Sequence[IdleRun]) -> list[str]:
    if not runs:
        return [DASH] * 6
    processes = f"{median(run.memory.processes for run in runs):,.0f}"
    sizes = (_pss, _private, lambda run: run.shared, _page_tables, _kernel)
    return [processes, *(_middle(runs, size) for size in sizes)]


def _middle(runs: Sequence[IdleRun], value: Bytes) -> str:
    known = [size for run in runs if (size := value(run)) is not None]
    return _mebibytes(median(known)) if known else DASH


def _mebibytes(size: float) -> str:
    """Of a change, which may be nothing, or less than that by other programs' doing."""
    return mebibytes(0 if abs(size) < 0.05 * 2**20 else round(size))


def _unknown_notes(runs: Sequence[IdleRun]) -> list[str]:
    reasons = {run.memory.unknown for run in runs} - {""}
    return [f"No PSS, private and shared memory: {reason}." for reason in sorted(reasons)]


def _by_contestant(results: IdleResults) -> dict[str, list[IdleRun]]:
    """In the order of the settings; those that were measured."""
    names = [contestant.name for contestant in results.settings.contestants]
    found = {name: [run for run in results.idle if run.contestant == name] for name in names}
    return {name: runs for name, runs in found.items() if runs}


# --- copy-on-write


def decay(results: IdleResults) -> Section | None:
    if not results.decay:
        return None
    settings = results.settings.decay
    filled = table(
        "", "requests of\neach worker", "processes", "PSS\nMiB", "shared\nMiB", "private,\nmedian process, KiB",
        "\nlargest, KiB", "page tables\nMiB",
    )  # fmt: skip
    for run in results.decay:
        name = run.contestant
        for point in run.points:
            filled.add_row(name, f"{point.requests:,}", *_decay_columns(run, point.requests))
            name = ""
    notes = [
        f"{settings.workers} workers with a ballast of {settings.ballast} MiB that their parent has written before the "
        f"fork; GET {settings.path}, over one connection for each worker. Once.",
        *map(_verdict, results.decay),
        "A fork copies page tables, not pages; a page is copied when somebody writes to it. Nobody here writes to the "
        "ballast. A runtime that keeps reference counts or marks for its collector inside objects writes by reading: "
        "its workers would copy theirs.",
        "A single process has nobody to share with: all it holds is private from the start, its ballast too.",
    ]
    return Section("What does a forked worker share, and for how long?", filled, notes)


def _decay_columns(run: DecayRun, requests: int) -> list[str]:
    point = next(one for one in run.points if one.requests == requests)
    sizes = [point.memory.pss, shared(point.memory)]
    each = [median(point.private), max(point.private)] if point.private else []
    return [
        str(point.memory.processes),
        *(DASH if size is None else mebibytes(size) for size in sizes),
        *([f"{size / 1024:,.0f}" for size in each] or [DASH] * 2),
        mebibytes(point.memory.page_tables),
    ]


def _verdict(run: DecayRun) -> str:
    """What became of a worker's private memory from the first look to the last, in one sentence."""
    first, last = run.points[0], run.points[-1]
    if not first.private or not last.private:
        return f"{run.contestant}: private memory could not be read."
    before, after = median(first.private) / 1024, median(last.private) / 1024
    return (
        f"{run.contestant}: a process's private memory went from {before:,.0f} to {after:,.0f} KiB over "
        f"{last.requests:,} requests, of which {_until_steady(run)}."
    )


def _until_steady(run: DecayRun) -> str:
    """When most of the change had happened."""
    middle = [median(point.private) for point in run.points]
    change = middle[-1] - middle[0]
    if abs(change) < 4096:
        return "nothing to speak of"
    index = next(i for i, size in enumerate(middle) if abs(size - middle[0]) >= 0.9 * abs(change))
    return f"90 % within the first {run.points[index].requests:,}"


def _closing(results: IdleResults) -> list[str]:
    shown = [f"FAILED {one.contestant} ({one.step}): {one.reason}" for one in results.failures]
    if results.state == "interrupted":
        shown.append("INTERRUPTED: the tables hold what was measured until then.")
    shown.append(f"Measured in {results.seconds:.0f} s.")
    return shown
