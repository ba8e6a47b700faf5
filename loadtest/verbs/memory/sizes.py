"""What is made of the sizes that were read: which there are, what is shared, and the price of a connection. Pure."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from loadtest.document.figures import DASH, number, ratio
from loadtest.engine.run import Part
from loadtest.statistics.stats import Estimate, estimate, fit
from loadtest.system.memory import Memory
from loadtest.verbs.memory.clients import IdleResult

Bytes = Callable[[IdleResult], int | None]
PSS, ANONYMOUS, PRIVATE, RSS = (attrgetter(f"memory.{name}") for name in ("pss", "anonymous", "private", "rss"))
PAGE_TABLES, KERNEL = attrgetter("memory.page_tables"), attrgetter("kernel")
# Of a line's rise. Further off, the worst level says as much about the size as the slope does.
MOST_OFF = 0.5


def shared(memory: Memory) -> int | None:
    """What more than one process maps, counted once: PSS without what is private."""
    return None if memory.pss is None or memory.private is None else memory.pss - memory.private


@dataclass(frozen=True)
class Price:
    """KiB for each connection more."""

    each: Estimate | None  # None: there are fewer than three levels
    off: float  # how far off the worst level of any round lies, as a share of the line's rise

    @property
    def nothing(self) -> bool:
        """To the digits that are shown."""
        return self.each is not None and abs(self.each.median) < 0.005

    @property
    def bent(self) -> bool:
        """The levels lie on no line: its slope is the price of nothing."""
        return self.each is not None and not self.nothing and self.off > MOST_OFF

    @property
    def cells(self) -> tuple[str, str]:
        if self.each is None:
            return DASH, DASH
        if self.nothing:
            return "0", DASH
        if self.bent:
            return DASH, f"{self.off:.0%}"
        shown = ratio(self.each) if self.each.median > 0 else f"-{number(-self.each.median)}"  # others give memory back
        return shown, f"{self.off:.0%}"


def price(results: Sequence[IdleResult], value: Bytes) -> Price:
    """There is a line for each round, because what disturbs a round disturbs all of it."""
    rounds: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for result in results:
        if (size := value(result)) is not None:
            rounds[result.step.round].append((result.step.connections, size / 1024))
    found = [line for points in rounds.values() if (line := fit(points))]
    each = estimate([line.slope for line in found]) if found else None
    return Price(each, max((line.miss for line in found), default=0.0))


def charged(part: Part) -> bool:
    """The kernel tells what the server's container has taken."""
    return any(result.memory.group for result in part.results)


def by_contestant(part: Part) -> dict[str, list[IdleResult]]:
    """In the order of the settings; those that were measured validly."""
    valid = {one.name: [each for each in part.of(one.name) if not each.problems] for one in part.settings.contestants}
    return {name: results for name, results in valid.items() if results}
