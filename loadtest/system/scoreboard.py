"""What a server of ours has counted, from its scoreboard (common/scoreboard/scoreboard.h): a file in shared memory that
costs the server nothing, can be read while every worker is busy, and still tells after the server's end to whoever has
opened it before."""

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

HEAD = struct.Struct("<8sII")  # magic, version, bytes of a slot
MAGIC, VERSION = b"QUARTET\0", 3
HEAD_BYTES = 4096
# process; generation, 0 in a slot that nobody has taken; connections; requests; gauges by phase; how many of these have
# gone to other workers, by phase; the running request: since when, and its text; workers that died; the request that
# the last of these was running
SLOT = struct.Struct("<i8xI8xQQ40x6Q6Qq128sQ24xq128s")
PHASES = ("accepted", "reading", "running", "sleeping", "writing", "idle")
HUNG = 0.2  # seconds that a handler may run without being suspected
DIRECTORY = Path("dev/shm")


@dataclass(frozen=True)
class Counts:
    """Of all workers, those that have ended, too."""

    connections: int  # taken up
    requests: int  # begun to run

    @property
    def both(self) -> int:
        return self.connections + self.requests

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(self.connections - earlier.connections, self.requests - earlier.requests)


@dataclass(frozen=True)
class Slot:
    """Of one worker, or of those that had it one after the other."""

    process: int  # 0: nobody has it now
    counts: Counts
    phases: dict[str, int]  # open connections
    running: str  # the request whose handler is running, or was when the worker died; "": none
    since: float  # when it began, by the monotonic clock
    deaths: int  # of its workers
    killed_by: str  # the request that the last one of those was running; "": none

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """None of a slot that nobody has taken yet."""
        process, generation, connections, requests, *rest = SLOT.unpack_from(data)
        *gauges, since, running, deaths, died_since, request = rest
        there, departed = gauges[: len(PHASES)], gauges[len(PHASES) :]
        if generation == 0:
            return None
        # somebody may be seen to depart who has not been seen to arrive
        phases = {name: max(0, all_in - out) for name, all_in, out in zip(PHASES, there, departed, strict=True)}
        counts = Counts(connections, requests)
        return cls(process, counts, phases, _text(since, running), since / 1e9, deaths, _text(died_since, request))


def _text(since: int, text: bytes) -> str:
    return text.partition(b"\0")[0].decode(errors="replace") if since else ""


class Scoreboard:
    """Of the server on that port of 127.0.0.1, below that root directory."""

    def __init__(self, port: int, root: Path = Path("/")) -> None:
        self.path = root / DIRECTORY / f"quartet-{port}"
        self._file: IO[bytes] | None = None
        try:
            self._file = self.path.open("rb", buffering=0)
        except OSError:  # there is none, or it is not ours to read
            pass

    def close(self) -> None:
        if self._file:
            self._file.close()

    def is_there(self) -> bool:
        """Its file still has a name: a server that drains well removes it."""
        return self._file is not None and os.fstat(self._file.fileno()).st_nlink > 0

    def counts(self) -> Counts | None:
        """None where there is no such file of that version."""
        if (slots := self.slots()) is None:
            return None
        return Counts(sum(one.counts.connections for one in slots), sum(one.counts.requests for one in slots))

    def phases(self) -> dict[str, int]:
        """Open connections, of all workers; nothing where it cannot be read."""
        return {phase: sum(one.phases[phase] for one in self.slots() or []) for phase in PHASES}

    def blamed(self) -> list[str]:
        """Requests that a worker died of, and those whose handlers have not returned for a while, or never will."""
        slots, suspected = self.slots() or [], time.monotonic() - HUNG
        killers = [one.killed_by for one in slots if one.deaths and one.killed_by]
        return killers + [one.running for one in slots if one.running and one.since < suspected]

    def slots(self) -> list[Slot] | None:
        """Those that somebody has taken. None where there is no such file of that version."""
        if not self._file:
            return None
        try:
            self._file.seek(0)
            magic, version, slot_bytes = HEAD.unpack(self._file.read(HEAD.size))
            return list(self._read(slot_bytes)) if (magic, version) == (MAGIC, VERSION) else None
        except (OSError, struct.error):
            return None

    def _read(self, slot_bytes: int) -> Iterator[Slot]:
        assert self._file
        self._file.seek(HEAD_BYTES)
        while len(data := self._file.read(slot_bytes)) == slot_bytes and (slot := Slot.parse(data)):
            yield slot
