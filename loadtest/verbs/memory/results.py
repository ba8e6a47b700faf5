"""What was measured of memory, as data. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.engine.run import Result
from loadtest.system.machine_memory import MachineMemory
from loadtest.system.memory import Memory
from loadtest.verbs.memory.clients import IdleObservation
from loadtest.verbs.memory.plan import IdleStep, PlateauStep, SharingStep


@dataclass(kw_only=True)
class IdleResult(Result):
    step: IdleStep
    client: IdleObservation
    memory: Memory
    machine: MachineMemory | None  # more than without server and connections, both ends of these
    machine_left: int | None  # of it what was still there afterwards, or less than before: its uncertainty
    machine_problem: str = ""  # why it is None

    @property
    def shared(self) -> int | None:
        return shared(self.memory)

    @property
    def kernel(self) -> int | None:
        """What the kernel has taken for the server: its container's share, or else the machine's change, in which
        the clients' ends are."""
        group = self.memory.group
        if group is None:
            return self.machine.total if self.machine else None
        return None if group.kernel is None else group.kernel + (group.sockets or 0)


def shared(memory: Memory) -> int | None:
    """What more than one process maps, counted once: PSS without what is private."""
    return None if memory.pss is None or memory.private is None else memory.pss - memory.private


@dataclass
class SharingPoint:
    requests: int  # of each worker, since its start
    memory: Memory
    private: list[int]  # of each process


@dataclass(kw_only=True)
class SharingResult(Result):
    step: SharingStep
    client_commands: list[str]
    points: list[SharingPoint]


@dataclass(kw_only=True)
class PlateauResult(Result):
    step: PlateauStep
    client_commands: list[str]
    at_start: Memory
    busy: Memory  # every connection has a request in hand
    idle: Memory  # the same connections, answered
