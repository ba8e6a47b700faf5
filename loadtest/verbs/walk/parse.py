"""What `strace -f -ttt -T -o FILE` writes, as calls. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
BEGUN = re.compile(r"(\w+)\((.*?) ?<(?:unfinished|detached) \.\.\.>")
# a whole call, or the end of one that was begun; the last " = ": strings from the network may contain others
ENDED = re.compile(r"(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)\)\s+= (.+?)(?: <(\d+\.\d+)>)?")
NO_CALL = re.compile(r"--- .* ---|\+\+\+ .* \+\+\+")  # a signal; the end of a thread


@dataclass(frozen=True)
class Event:
    """A call. Times are in seconds since 1970, by strace's clock: it sees things a little after they happen."""

    thread: int
    start: float
    end: float
    name: str
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
            begun[thread] = Event(thread, time, time, start[1], start[2])
        elif end := ENDED.fullmatch(what):
            resumed, name, arguments, result, seconds = end.groups()
            duration = float(seconds or 0)
            if name:
                yield Event(thread, time, time + duration, name, arguments, result)
            else:  # its line is written at the end; its beginning is missing when strace was not yet there
                first = begun.pop(thread, Event(thread, time - duration, time, resumed))
                yield replace(first, end=time, arguments=first.arguments + arguments, result=result)
        elif not NO_CALL.fullmatch(what):
            raise ValueError(f"not an event of strace's: {what[:80]!r}")
