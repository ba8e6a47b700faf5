"""What a server of ours has counted, from its scoreboard (common/scoreboard/scoreboard.h): a file in shared memory that
costs the server nothing, can be read while every worker is busy, and still tells after the server's end to whoever has
opened it before."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

HEAD = struct.Struct("<8sII")  # magic, version, bytes of a slot
MAGIC, VERSION = b"QUARTET\0", 2
HEAD_BYTES = 4096
SLOT = struct.Struct("<12xI8xQQ")  # generation, 0 in a slot that nobody has taken yet; connections; requests
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


class Scoreboard:
    """Of the server on that port of 127.0.0.1, below that root directory."""

    def __init__(self, port: int, root: Path = Path("/")) -> None:
        self._file: IO[bytes] | None = None
        try:
            self._file = (root / DIRECTORY / f"quartet-{port}").open("rb", buffering=0)
        except OSError:  # there is none, or it is not ours to read
            pass

    def close(self) -> None:
        if self._file:
            self._file.close()

    def counts(self) -> Counts | None:
        """None where there is no such file of that version."""
        if not self._file:
            return None
        try:
            self._file.seek(0)
            magic, version, slot_bytes = HEAD.unpack(self._file.read(HEAD.size))
            return self._sum(slot_bytes) if (magic, version) == (MAGIC, VERSION) else None
        except (OSError, struct.error):
            return None

    def _sum(self, slot_bytes: int) -> Counts:
        assert self._file
        self._file.seek(HEAD_BYTES)
        connections = requests = 0
        while len(slot := self._file.read(slot_bytes)) == slot_bytes:
            generation, taken, begun = SLOT.unpack_from(slot)
            if generation == 0:
                break
            connections, requests = connections + taken, requests + begun
        return Counts(connections, requests)
