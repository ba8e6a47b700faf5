"""The tables: what an idle connection costs, what forked workers share, and what the main job's models take. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from statistics import median

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, mebibytes, number, plural, ratio
from loadtest.engine.run import Part, Run
from loadtest.statistics import lines
from loadtest.statistics.differences import LEAST_ROUNDS
from loadtest.statistics.stats import estimate
from loadtest.system.memory import Memory
from loadtest.verbs.memory.clients import IdleResult, PlateauResult, SharingResult, absence

Bytes = Callable[[IdleResult], int | None]
PSS, ANONYMOUS, PRIVATE = (attrgetter(f"memory.{name}") for name in ("pss", "anonymous", "private"))
PAGE_TABLES, KERNEL = attrgetter("memory.page_tables"), attrgetter("kernel")

KERNEL_OF_CONTAINER = (
    "Kernel: what the kernel charges to the server's container: sockets, files, tasks, stacks and page tables, "
    "of its own ends of the connections only; to some 100 KiB. cgroup v1 knows only the sum."
)
KERNEL_OF_MACHINE = (
    "Kernel: how the whole machine's slabs, kernel stacks, page tables, per-CPU and TCP memory have grown, with "
    "both ends of every connection in it, since both are here: about half of a socket's part is the clients'. "
    "Shown where the machine had it back afterwards. In a container (--runner docker) the server's share is exact."
)
GROUP_NOTE = (
    "cgroup: what the kernel charges to the container while busy, to some 100 KiB, its PID 1 (tini) included. Anon: "
    "heaps, stacks and what else is private and written to. Kernel: "
    "stacks, page tables, slabs; cgroup v1 knows only the sum. Page cache is left out: its first user is charged."
)


def head(run: Run) -> list[str]:
    settings = run.parts[0].settings
    counts = ", ".join(f"{level:,}" for level in settings.levels)
    found = [
        f"Idle connections: {counts}; each level has a server of its own, in {plural(settings.rounds, 'round')}, and "
        "each connection was answered once."
    ]
    if settings.rounds < LEAST_ROUNDS:
        found.append(
            f"INDICATIVE: {settings.rounds} of the {LEAST_ROUNDS} rounds that an interval takes. Medians only."
        )
    return found


def sections(run: Run) -> list[Section]:
    idle, asked = run.parts
    return [
        *([slopes(idle), levels(idle)] if idle.results else []),
        *([sharing(asked)] if asked.results else []),
    ]


def _size(size: float | None) -> str:
    """MiB. A change may be nothing, or less than that by other programs' doing."""
    return DASH if size is None else mebibytes(0 if abs(size) < 0.05 * 2**20 else round(size))


def _unknown(looks: Iterable[Memory], what: str) -> list[str]:
    reasons = {memory.unknown for memory in looks} - {""}
    return [f"No PSS, {what}: {reason}." for reason in sorted(reasons)]


def shared(memory: Memory) -> int | None:
    """What more than one process maps, counted once: PSS without what is private."""
    return None if memory.pss is None or memory.private is None else memory.pss - memory.private


def slopes(part: Part) -> Section:
    """The headline: KiB for each connection more."""
    charged = _charged(part)
    filled = table(
        "", "most\nheld", "PSS,\nKiB each", "\nline off", "heap, stack\nKiB each", "\nline off",
        "page tables\nKiB each", "kernel,\nKiB each" if charged else "kernel, both\nends, KiB each", "\nline off",
    )  # fmt: skip
    for name, results in _by_contestant(part).items():
        pss, anonymous, (page_tables, _), kernel = (
            price(results, value) for value in (PSS, ANONYMOUS, PAGE_TABLES, KERNEL)
        )
        most = max(result.step.connections for result in results)
        filled.add_row(name, f"{most:,}", *pss, *anonymous, page_tables, *kernel)
    lost = [result for result in part.results if not result.memory.group and result.machine is None]
    notes = [
        "The slope of a straight line through all levels, by least squares: what one connection more costs. The "
        "largest levels decide it. Line off: how far the worst level lies beside the line, as a share of the line's "
        "rise; from some 10 % on, a connection has no single price.",
        "PSS is what the server's processes have in user space. Heap, stack: the part of it that is no file's "
        "(Pss_Anon), without the noise of who else on the machine maps the same libraries. For a blocking server the "
        "price includes the connection's own process or thread.",
        KERNEL_OF_CONTAINER if charged else KERNEL_OF_MACHINE,
        *_bounds_notes(part),
        *(
            f"Kernel memory is missing from {len(lost)} of {len(part.results)} runs: other programs took or gave back "
            f"memory meanwhile (such as {one.step.contestant} at {one.step.connections:,}: {one.machine_problem})."
            for one in lost[:1]
        ),
    ]
    return Section("What does an idle connection cost?", filled, notes)


def price(results: Sequence[IdleResult], value: Bytes) -> tuple[str, str]:
    """KiB for each connection more, and how far off the worst level lies; dashes below three levels. There is a line
    for each round, because what disturbs a round disturbs all of it."""
    rounds: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for result in results:
        if (size := value(result)) is not None:
            rounds[result.step.round].append((result.step.connections, size / 1024))
    found = [line for points in rounds.values() if (line := lines.fit(points))]
    if not found:
        return DASH, DASH
    each = estimate([line.slope for line in found])
    if abs(each.median) < 0.005:
        return "0", DASH
    shown = ratio(each) if each.median > 0 else f"-{number(-each.median)}"  # other programs may give memory back
    return shown, f"{max(line.miss for line in found):.0%}"


def _charged(part: Part) -> bool:
    """The kernel tells what the server's container has taken."""
    return any(result.memory.group for result in part.results)


def _by_contestant(part: Part) -> dict[str, list[IdleResult]]:
    """In the order of the settings; those that were measured."""
    return {one.name: results for one in part.settings.contestants if (results := part.of(one.name))}


def _bounds_notes(part: Part) -> list[str]:
    """Who did not go as far as the others, and why."""
    names = defaultdict(list)
    for contestant in part.settings.contestants:
        names[absence(part.settings, contestant, max(part.settings.levels))].append(contestant.name)
    return [f"{', '.join(those)}: no higher level, {reason}." for reason, those in names.items() if reason]


def levels(part: Part) -> Section:
    filled = table(
        "", "connections", "processes", "PSS\nMiB", "private\nMiB", "shared\nMiB", "page tables\nMiB",
        "kernel\nMiB" if _charged(part) else "kernel, both\nends, MiB",
    )  # fmt: skip
    for name, results in _by_contestant(part).items():
        for index, level in enumerate(part.settings.levels):
            found = [result for result in results if result.step.connections == level]
            filled.add_row("" if index else name, f"{level:,}", *_level(found))
    notes = [
        "Of the whole process tree, medians over the rounds. PSS = private + shared. Private: pages that one process "
        "alone maps; shared: pages that several map, counted once. Pages of files go by who maps them on the whole "
        "machine: the executable's are private while nobody else runs it, and of libc's the PSS counts a part.",
        "Address space layout randomization decides, at each start, how many pages a process's heap, stack and page "
        "tables begin and end in: between rounds a process may differ by some 4 KiB, and a thousand by some 4 MiB.",
        "At 0 the server has answered one request, on a connection that is closed.",
        *_unknown((result.memory for result in part.results), "private and shared memory"),
    ]
    if part.settings.ballast:
        notes.append(f"Every server holds a ballast of {part.settings.ballast} MiB.")
    return Section("How much memory does the server take, level by level?", filled, notes)


def _level(results: Sequence[IdleResult]) -> list[str]:
    """Medians; dashes for a level that was not measured."""
    if not results:
        return [DASH] * 6
    values: tuple[Bytes, ...] = (PSS, PRIVATE, lambda result: shared(result.memory), PAGE_TABLES, KERNEL)
    known = [[size for result in results if (size := value(result)) is not None] for value in values]
    processes = median(result.memory.processes for result in results)
    return [f"{processes:,.0f}", *(_size(median(sizes) if sizes else None) for sizes in known)]


def sharing(part: Part) -> Section:
    settings = part.settings
    filled = table(
        "", "requests of\neach worker", "processes", "PSS\nMiB", "shared\nMiB", "private,\nmedian process, KiB",
        "\nlargest, KiB", "page tables\nMiB",
    )  # fmt: skip
    for result in part.results:
        for index, point in enumerate(result.points):
            memory, name = point.memory, "" if index else result.step.contestant
            private = [median(point.private), max(point.private)] if point.private else []
            filled.add_row(
                name, f"{point.requests:,}", str(memory.processes), _size(memory.pss), _size(shared(memory)),
                *([f"{size / 1024:,.0f}" for size in private] or [DASH] * 2), _size(memory.page_tables),
            )  # fmt: skip
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


def _verdict(result: SharingResult) -> str:
    """What became of a worker's private memory from the first look to the last, and when most of it had happened."""
    name, points = result.step.contestant, result.points
    if not points[0].private or not points[-1].private:
        return f"{name}: private memory could not be read."
    sizes = [(median(point.private), point.requests) for point in points]
    (first, _), (last, requests) = sizes[0], sizes[-1]
    change = abs(last - first)
    steady = next(asked for size, asked in sizes if abs(size - first) >= 0.9 * change)
    return (
        f"{name}: a process's private memory went from {first / 1024:,.0f} to {last / 1024:,.0f} KiB over "
        f"{requests:,} requests, of which "
        f"{'nothing to speak of' if change < 4096 else f'90 % within the first {steady:,}'}."
    )


def plateaus(part: Part) -> Section | None:
    """The memory of the main job: at start, while every connection has a request in hand, and when all are idle."""
    if not part.results:
        return None
    charged = any(result.busy.group for result in part.results)
    filled = table(
        "", "processes\nat start", "\nbusy", "PSS, MiB\nat start", "\nbusy", "\nidle", "private\nbusy",
        *(("cgroup\nanon", "\nkernel", "\nsockets") if charged else ("page tables\nbusy", "summed RSS\nbusy")),
    )  # fmt: skip
    for result in part.results:
        start, busy, group = result.at_start, result.busy, result.busy.group
        beyond = [group.anonymous, group.kernel, group.sockets] if group else [None] * 3
        sizes = [start.pss, busy.pss, result.idle.pss, busy.private]
        sizes += beyond if charged else [busy.page_tables, busy.rss]
        filled.add_row(result.step.contestant, str(start.processes), str(busy.processes), *map(_size, sizes))
    notes = [
        f"Of the whole process tree. Busy: {part.settings.connections} connections with a request in hand each; "
        "idle: the same connections, answered and kept alive.",
        *_unknown((result.busy for result in part.results), "private memory and RSS"),
        *_rss_notes(part.results),
        GROUP_NOTE if charged else "Not in PSS: page tables (shown), kernel stacks and socket buffers.",
    ]
    return Section("How much memory does the server take?", filled, notes)


def _rss_notes(results: Sequence[PlateauResult]) -> list[str]:
    """What summed RSS would have said, of the server that it slanders most."""
    looks = [(result.busy, result.step.contestant) for result in results]
    factors = [(busy.rss / busy.pss, name) for busy, name in looks if busy.rss and busy.pss]
    if not factors:
        return []
    factor, name = max(factors, key=lambda one: one[0])
    return [
        "PSS counts a shared page once; summed RSS counts it once for each process and would charge "
        f"{name} {factor:.1f} times its PSS."
    ]
