"""A script, as data and as text: a schedule of loads and faults that one server meets, which can be played again.

    # two crashes and a busy handler
    seed 7                # arrivals are random (Poisson), the same whenever it is played; without a seed they are even
    0.0 load 200          # requests a second from then on
    1.0 segv
    3.0 load 400
    4.0 spin?ms=500
    6.0 end

Times are in seconds from the start.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtest.verbs.crash import catalogue
from loadtest.verbs.crash.catalogue import HANDLER, Fault

LEAST_BEFORE = 0.4  # seconds that tell how it is without a fault
LEAST_AFTER = 0.8  # that a fault is watched, until the next one or the end
LONGEST = 600.0  # seconds
MOST_A_SECOND = 5000
MOST_REQUESTS = 300_000  # each of them is kept in memory
MOST_FAULTY = 50  # requests: as many clients as quartet-pace has for them
MOST_BYTES = 100_000
TIME = re.compile(r"\d{1,6}(\.\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True)
class Load:
    at: float
    rate: int  # requests a second, from then on


@dataclass(frozen=True)
class Blow:
    """A fault, and when it comes."""

    at: float
    fault: Fault


@dataclass(frozen=True)
class Script:
    name: str  # of its file
    seed: int | None  # None: arrivals are even
    loads: tuple[Load, ...]  # the first one at 0
    blows: tuple[Blow, ...]  # at least one
    end: float

    def requests(self, until: float | None = None) -> float:
        """Of the load that are due by then, or in all; on average with a seed."""
        end = self.end if until is None else until
        ends = [one.at for one in self.loads[1:]] + [self.end]
        return sum(one.rate * max(min(stop, end) - one.at, 0.0) for one, stop in zip(self.loads, ends))

    @property
    def rates(self) -> str:
        """As quartet-pace takes them: "200,3000ms=400"."""
        first, *others = self.loads
        return ",".join([str(first.rate), *(f"{one.at * 1000:.0f}ms={one.rate}" for one in others)])

    def spans(self) -> Iterator[tuple[float, float]]:
        """Of each fault: from its moment to that of the next one, or to the end."""
        moments = [blow.at for blow in self.blows]
        yield from zip(moments, [*moments[1:], self.end], strict=True)


def read(path: Path) -> Script:
    """Raises ValueError: one sentence, with the file and, where there is one, the line."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"--script {path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise ValueError(f"--script {path}: it is longer than {MOST_BYTES:,} bytes")
    try:
        return parse(content.decode(), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: this is not UTF-8") from error


def parse(text: str, name: str) -> Script:
    """Raises ValueError, as read() does."""
    reader = _Reader()
    number = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if words := line.partition("#")[0].split():
            try:
                reader.take(words)
            except ValueError as error:
                raise ValueError(f"{name}:{number}: {error}") from error
    try:
        return reader.script(Path(name).name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


class _Reader:
    """Takes one line after the other. What it raises is a ValueError."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.loads: list[Load] = []
        self.blows: list[Blow] = []
        self.now: float | None = None  # the time of the last event
        self.end: float | None = None

    def take(self, words: list[str]) -> None:
        if self.end is not None:
            raise ValueError("nothing may come after the end")
        if words[0] == "seed":
            return self._take_seed(words[1:])
        at = self._time(words[0])
        if self.now is None and (at != 0 or words[1:2] != ["load"]):
            raise ValueError("the first event must be a load at 0, such as: 0.0 load 200")
        self._take_event(at, words[1:])
        self.now = at

    def _time(self, word: str) -> float:
        if not TIME.fullmatch(word):
            raise ValueError(f"expected a time in seconds, such as 1.5 or 1.250, not {word}")
        at = float(word)
        if self.now is not None and at < self.now:
            raise ValueError(f"{word} s is before {self.now:g} s, where the event above it is; times must ascend")
        if at > LONGEST:
            raise ValueError(f"{word} s is too long; a script takes {LONGEST:g} s at most")
        return at

    def _take_seed(self, words: list[str]) -> None:
        if self.now is not None:
            raise ValueError("the seed must stand above all events")
        if self.seed is not None:
            raise ValueError("there is a seed already")
        self.seed = _whole("seed 7", words)

    def _take_event(self, at: float, words: list[str]) -> None:
        match words:
            case ["load", *rest]:
                self._take_load(at, rest)
            case ["end"]:
                self._take_end(at)
            case [name]:
                self._take_fault(at, name)
            case []:
                raise ValueError("expected load RATE, the name of a fault, or end after the time")
            case [first, *rest]:
                raise ValueError(f"{first} takes nothing behind it, not {' '.join(rest)}")

    def _take_load(self, at: float, words: list[str]) -> None:
        rate = _whole("load 200", words)
        if not 1 <= rate <= MOST_A_SECOND:
            raise ValueError(f"load {rate}: expected 1 to {MOST_A_SECOND} requests a second")
        if self.loads and at == self.loads[-1].at:
            raise ValueError(f"there is a load at {at:g} s already")
        self.loads.append(Load(at, rate))

    def _take_fault(self, at: float, name: str) -> None:
        fault = catalogue.find(name)
        if fault.kind != HANDLER:
            raise ValueError(f"{name} is a fault of kind {fault.kind}; a script has those of kind {HANDLER}")
        if at < LEAST_BEFORE:
            raise ValueError(f"{name} comes too early; before the first fault there must be {LEAST_BEFORE:g} s")
        if self.blows and at - self.blows[-1].at < LEAST_AFTER - 1e-9:
            last = self.blows[-1]
            raise ValueError(f"{name} comes too soon after {last.fault.name}; each fault needs {LEAST_AFTER:g} s")
        self.blows.append(Blow(at, fault))
        if sum(len(blow.fault.requests) for blow in self.blows) > MOST_FAULTY:
            raise ValueError(f"with {name} there are too many faulty requests; a script has {MOST_FAULTY} at most")

    def _take_end(self, at: float) -> None:
        if not self.blows:
            raise ValueError("there is no fault before the end")
        if at - self.blows[-1].at < LEAST_AFTER - 1e-9:
            last = self.blows[-1].fault.name
            raise ValueError(f"the end comes too soon after {last}; each fault needs {LEAST_AFTER:g} s")
        if at == self.loads[-1].at:
            raise ValueError("there is a load at the end; nobody would ask any more")
        self.end = at

    def script(self, name: str) -> Script:
        if self.end is None:
            raise ValueError("there is no end, such as: 6.0 end")
        found = Script(name, self.seed, tuple(self.loads), tuple(self.blows), self.end)
        if found.requests() > MOST_REQUESTS:
            raise ValueError(f"it asks {found.requests():,.0f} times; a script asks {MOST_REQUESTS:,} times at most")
        return found


def _whole(example: str, words: list[str]) -> int:
    if len(words) != 1 or not WHOLE.fullmatch(words[0]):
        raise ValueError(f"expected a whole number, such as: {example}")
    return int(words[0])
