"""Which CPUs are the server's, and which the load's."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class CpuSets:
    server: tuple[int, ...]
    load: tuple[int, ...]

    @property
    def shared(self) -> bool:
        return bool(set(self.server) & set(self.load))


def split(available: Set[int], budget: int = 1) -> CpuSets:
    """The last CPUs for the server; one for the load, the first, where most interrupts arrive anyway. A larger budget
    has a larger load, as far as there are CPUs. Raises ValueError when there are fewer CPUs than the budget."""
    ordered = sorted(available)
    if budget > len(ordered):
        raise ValueError(f"--cpus {budget}: there are {len(ordered)} here")
    rest = ordered[: len(ordered) - budget]
    return CpuSets(tuple(ordered[len(ordered) - budget :]), tuple(rest[:budget] or ordered[:1]))
