"""Where servers and their clients run: on this machine as they are (local), or in containers (containers)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from loadtest.system import memory, processes, tree
from loadtest.system.cpus import CpuSets
from loadtest.system.memory import Memory
from loadtest.system.processes import Address

# Tells whoever sees the server's processes that a moment has come; returns when they have been looked at.
Tell = Callable[[str], object]

# The clients' side of a step, from the measurement's settings and the step.
Observation = TypeVar("Observation")
Job = Callable[[Address, Any, Any, Tell], Observation]


class Server(processes.Server):
    """A running server whose processes can be looked at: the child, and all that it has started."""

    def ask(self, job: Job[Observation], settings: Any, step: Any, tell: Tell) -> Observation:
        """Does the clients' side of a step where the server can be reached. Raises MeasurementError."""
        return job(self.address, settings, step, tell)

    def cpu_seconds(self) -> float:
        """Of all its processes until now, dead ones included."""
        return tree.cpu_seconds(self.pid)

    def switches(self) -> tree.Switches | None:
        """Of its live processes until now; None where nobody counts those of the dead."""
        return tree.switches(self.pid)

    def memory(self) -> Memory:
        return memory.read(self.processes())

    def processes(self) -> set[tuple[int, int]]:
        """What identifies each of its live processes."""
        return {stat.identity for stat in tree.members(self.pid)}

    def incidents(self) -> list[str]:
        """What befell it that its exit status may not tell, a sentence each."""
        return []


class Place(Protocol):
    name: str
    description: str  # half a sentence for the report's head; "" natively

    def missing(self, executables: Sequence[str]) -> str:
        """One sentence with the fix when something is not there that we need; else nothing."""

    def prepare(self) -> None:
        """Makes what is needed and takes a while. Raises MeasurementError."""
        return None  # the servers are built already

    def describe(self, executable: str) -> str:
        """What a server of ours prints for --describe. Raises MeasurementError."""

    def versions(self, executables: Sequence[str]) -> dict[str, str]:
        ...

    def start(self, argv: Sequence[str], cpus: CpuSets) -> Server:
        """The server of that command line, when it listens. Raises MeasurementError."""

    def close(self) -> None:
        """Ends all that is left of it."""
