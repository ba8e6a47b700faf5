"""What `strace -f -ttt -T -o FILE` writes, as events. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
# the last " = ": strings from the network may contain others
ENDED = re.compile(r"(?:(\w+)\()?(.*)\)\s+= (.+?)(?: <(\d+\.\d+)>)?")
BEGUN = re.compile(r"(\w+)\((.*?) ?<(?:unfinished|detached) \.\.\.>")
SIGNAL = re.compile(r"--- (\w+) .*---")
EXIT = re.compile(r"\+\+\+ (exited with \d+|killed by \w+(?: \(core dumped\))?) \+\+\+")


class Kind(str, Enum):
    call = "call"
    signal = "signal"
    exit = "exit"


@dataclass(frozen=True)
class Event:
    """Times are in seconds since 1970, by strace's clock: it sees things a little after they happen."""

    kind: Kind
    thread: int
    start: float
    end: float
    name: str  # of the call or signal; how a thread ended
    arguments: str = ""
    result: str = ""  # "49", "-1 EAGAIN (Resource temporarily unavailable)", "0 (Timeout)", "?"

    @property
    def value(self) -> str:
        """ "49", or "EAGAIN" where it failed; "?" where it did not return."""
        words = self.result.split()
        return words[1] if words[0] in ("-1", "?") and len(words) > 1 else words[0]

    @property
    def duration(self) -> float:
        return self.end - self.start


def parse(text: str) -> list[Event]:
    """In the order in which they ended. A call that had not returned when strace left is none. Raises ValueError for
    anything that is not strace's."""
    return sorted(_events(text), key=lambda event: event.end)


def _events(text: str) -> Iterator[Event]:
    begun: dict[int, Event] = {}  # by thread
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            return  # strace was killed in mid-line
        found = LINE.fullmatch(line.rstrip("\n"))
        if not found:
            raise ValueError(f"not a line of strace -f -ttt: {line[:80]!r}")
        thread, time, what = int(found[1]), float(found[2]), found[3]
        if start := BEGUN.fullmatch(what):
            begun[thread] = Event(Kind.call, thread, time, time, start[1], start[2])
        elif resumed := RESUMED.fullmatch(what):
            yield _resumed(begun.pop(thread, None), thread, time, *resumed.groups())
        else:
            yield _whole(thread, time, what)


def _whole(thread: int, time: float, what: str) -> Event:
    if signal := SIGNAL.fullmatch(what):
        return Event(Kind.signal, thread, time, time, signal[1])
    if end := EXIT.fullmatch(what):
        return Event(Kind.exit, thread, time, time, end[1])
    ended = ENDED.fullmatch(what)
    if not ended or not ended[1]:
        raise ValueError(f"not an event of strace's: {what[:80]!r}")
    name, arguments, result, seconds = ended.groups()
    return Event(Kind.call, thread, time, time + float(seconds or 0), name, arguments, result)


def _resumed(begun: Event | None, thread: int, time: float, name: str, rest: str) -> Event:
    """Its line is written at the end; its beginning is missing when strace was not yet there."""
    ended = ENDED.fullmatch(rest)
    if not ended:
        raise ValueError(f"not the end of a call: {rest[:80]!r}")
    _, arguments, result, seconds = ended.groups()
    start = begun.start if begun else time - float(seconds or 0)
    return Event(Kind.call, thread, start, time, name, (begun.arguments if begun else "") + arguments, result)
