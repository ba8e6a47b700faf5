"""A server that is measured, and the clients' side of a step."""

from collections.abc import Callable
from typing import Any, TypeVar

from loadtest.system import memory, processes, tree
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
