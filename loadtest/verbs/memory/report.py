"""The tables: what an idle connection costs, what forked workers share, and what the main job's models take. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, mebibytes, plural
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.system.memory import Memory
from loadtest.verbs.memory import plots
from loadtest.verbs.memory.clients import IdleResult, absence
from loadtest.verbs.memory.sizes import (
    ANONYMOUS,
    KERNEL,
    PAGE_TABLES,
    PRIVATE,
    PSS,
    Bytes,
    by_contestant,
    charged,
    price,
    shared,
)


def head(run: Run) -> list[str]:
    idle = next((part for part in run.parts if part.measurement == "idle"), None)
    if idle is None:
        return []
    settings = idle.settings
    counts = ", ".join(f"{level:,}" for level in settings.levels)
    rounds = plural(settings.rounds, "round")
    few = f"INDICATIVE: {settings.rounds} of the {LEAST_ROUNDS} rounds that an interval takes. Medians only."
    return [
        f"Idle connections: {counts}, in {rounds}; each level has its own server, each connection was answered once.",
        *([few] if settings.rounds < LEAST_ROUNDS else []),
    ]


def sections(run: Run) -> list[Section]:
    """Of the parts that have results."""
    made = {"idle": (slopes, levels), "sharing": (sharing,)}
    return [section(part) for part in run.parts if part.results for section in made[part.measurement]]


def _size(size: float | None) -> str:
    """MiB. A change may be nothing, or less than that by other programs' doing."""
    return DASH if size is None else mebibytes(0 if abs(size) < 0.05 * 2**20 else round(size))


def _unknown(looks: Iterable[Memory], what: str) -> list[str]:
    return [f"No PSS, {what}: {reason}." for reason in sorted({memory.unknown for memory in looks} - {""})]


def _without_anonymous(looks: Iterable[Memory]) -> list[str]:
    old = any(memory.pss is not None and memory.anonymous is None for memory in looks)
    return ["No heap, stack: this kernel does not tell (Pss_Anon, from Linux 5.3 on)."] if old else []


def slopes(part: Part) -> Section:
    """The headline: KiB for each connection more."""
    by_group, settings = charged(part), part.settings
    top = max(settings.levels)
    filled = table(
        "", "most\nheld", "heap, stack\nKiB each", "\nline off", "PSS\nKiB each", "\nline off",
        "page tables\nKiB each", "kernel\nKiB each" if by_group else "kernel, both\nends, KiB each", "\nline off",
    )  # fmt: skip
    bent: list[str] = []
    for name, results in by_contestant(part).items():
        most = max(result.step.connections for result in results)
        prices = {what: price(results, value) for what, value in PRICED.items()}
        anonymous, pss, (page_tables, _), kernel = (one.cells for one in prices.values())
        filled.add_row(name, f"{most:,}", *anonymous, *pss, page_tables, *kernel)
        bent += [f"{what} of {name} (by {one.off:.0%})" for what, one in prices.items() if one.bent]
    off = "a level lies further off than half of the line's rise"
    unpriced = [f"No price, since {off}: {', '.join(bent)}."] if bent else []
    notes = [
        "The slope of a straight line through all levels, by least squares. Line off: how far the worst level lies "
        "beside it, as a share of its rise; from some 10 % on, a connection has no single price.",
        *unpriced,
        "Heap, stack: the part of the PSS that is no file's (Pss_Anon). It is what to compare: the rest goes by who "
        "else on the machine maps the same libraries. For a blocking server the price includes the connection's own "
        "process or thread.",
        "Kernel: what the kernel charges to the server's container: sockets, files, tasks, stacks and page tables, of "
        "its own ends of the connections only; to some 100 KiB. cgroup v1 knows only the sum."
        if by_group
        else "Kernel: how the whole machine's slabs, kernel stacks, page tables, per-CPU and TCP memory have grown, "
        "with both ends of every connection in it: about half of a socket's part is the clients'. Shown where the "
        "machine had it back afterwards. In a container (--runner docker) the server's share is exact.",
        *(
            f"{one.name} goes no higher: it {why}."
            for one in settings.contestants
            if (why := absence(settings, one, top))
        ),
    ]
    lost = [result for result in part.results if not result.memory.group and result.machine is None]
    if lost:
        where = f"{len(lost)} of {len(part.results)} runs"
        notes.append(f"Kernel memory is missing from {where}, in the first because of this: {lost[0].machine_problem}.")
    return Section("What does an idle connection cost?", filled, notes, id="memory-price", plots=plots.prices(part))


PRICED: dict[str, Bytes] = {"heap, stack": ANONYMOUS, "PSS": PSS, "page tables": PAGE_TABLES, "kernel": KERNEL}


def levels(part: Part) -> Section:
    filled = table(
        "", "connections", "processes", "heap, stack\nMiB", "PSS\nMiB", "private\nMiB", "shared\nMiB",
        "page tables\nMiB", "kernel\nMiB" if charged(part) else "kernel, both\nends, MiB",
    )  # fmt: skip
    for name, results in by_contestant(part).items():
        for level in part.settings.levels:
            found = [result for result in results if result.step.connections == level]
            filled.add_row(name, f"{level:,}", *_level(found))
            name = ""
    notes = [
        "Of the whole process tree, medians over the rounds. PSS = private + shared: pages that several processes "
        "map, counted once. Pages of files go by who maps them on the whole machine.",
        "Address space layout randomization decides, at each start, how many pages a process's heap, stack and page "
        "tables begin and end in: between rounds a process may differ by some 4 KiB, and a thousand by some 4 MiB.",
        "At 0 the server has answered one request, on a connection that is closed.",
        *_unknown((result.memory for result in part.results), "private and shared memory"),
        *_without_anonymous(result.memory for result in part.results),
        *([f"Every server holds a ballast of {part.settings.ballast} MiB."] if part.settings.ballast else []),
    ]
    title = "How much memory does the server take, level by level?"
    return Section(title, filled, notes, id="memory-levels", plots=plots.levels(part))


def _level(results: Sequence[IdleResult]) -> list[str]:
    """Medians; dashes for what was not measured."""
    values: tuple[Bytes, ...] = (ANONYMOUS, PSS, PRIVATE, lambda result: shared(result.memory), PAGE_TABLES, KERNEL)
    known = [[size for result in results if (size := value(result)) is not None] for value in values]
    processes = [result.memory.processes for result in results]
    sizes = [_size(median(found) if found else None) for found in known]
    return [f"{median(processes):,.0f}" if processes else DASH, *sizes]


def sharing(part: Part) -> Section:
    settings = part.settings
    filled = table(
        "", "requests of\neach worker", "processes", "PSS\nMiB", "shared\nMiB", "page tables\nMiB",
        "private of the\nmedian process, KiB",
    )  # fmt: skip
    for result in part.results:
        name = result.step.contestant
        for point in result.points:
            memory, private = point.memory, f"{median(point.private) / 1024:,.0f}" if point.private else DASH
            sizes = map(_size, (memory.pss, shared(memory), memory.page_tables))
            filled.add_row(name, f"{point.requests:,}", str(memory.processes), *sizes, private)
            name = ""
    notes = [
        f"{settings.workers} workers with a ballast of {settings.ballast} MiB that their parent has written before the "
        f"fork; GET {settings.path}, over one connection for each worker. Once.",
        *_unknown((point.memory for result in part.results for point in result.points), "private and shared memory"),
        "A fork copies page tables, not pages; a page is copied when somebody writes to it. Nobody here writes to the "
        "ballast. A single process has nobody to share with: all it holds is private, its ballast too.",
    ]
    title = "What does a forked worker share, and for how long?"
    return Section(title, filled, notes, id="memory-sharing", plots=plots.sharing(part))


BUSY = ("page tables\nMiB, busy", "summed RSS\nMiB, busy")


def plateaus(part: Part) -> Section:
    """At start, while every connection has a request in hand, and when all are idle."""
    by_group = any(result.busy.group for result in part.results)
    filled = table(
        "", "processes\nat start", "\nbusy", "heap, stack MiB\nstart", "\nbusy", "\nidle", "PSS MiB\nbusy",
        *(("cgroup MiB\nanon", "\nkernel", "\nsockets") if by_group else BUSY),
    )  # fmt: skip
    for result in part.results:
        start, busy, group = result.at_start, result.busy, result.busy.group
        beyond = [group.anonymous, group.kernel, group.sockets] if group else [None] * 3
        sizes = [start.anonymous, busy.anonymous, result.idle.anonymous, busy.pss]
        sizes += beyond if by_group else [busy.page_tables, busy.rss]
        filled.add_row(result.step.contestant, str(start.processes), str(busy.processes), *map(_size, sizes))
    notes = [
        f"Of the whole process tree. Busy: {part.settings.connections} connections with a request in hand each; "
        "idle: the same connections, answered and kept alive.",
        "Heap, stack: what belongs to no file (Pss_Anon), and is what to compare. A small process is mostly shared "
        "libraries. Its PSS is the smaller, the more programs map these: it falls while quartet-pace runs, which maps "
        "the same.",
        *_unknown((result.busy for result in part.results), "heap, stack and RSS"),
        *_without_anonymous(result.busy for result in part.results),
        "cgroup: what the kernel charges to the container while busy, to some 100 KiB, its PID 1 (tini) included, "
        "without page cache. Kernel: stacks, page tables, slabs; cgroup v1 knows only the sum."
        if by_group
        else "PSS counts a shared page once, summed RSS once for each process. Not in PSS: page tables (shown), kernel "
        "stacks and socket buffers.",
    ]
    return Section("How much memory does the server take?", filled, notes, id="memory", plots=plots.plateaus(part))
