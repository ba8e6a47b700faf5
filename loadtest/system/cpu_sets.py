"""Which CPUs are the server's, and which the load's."""

import re
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
    rest, server = ordered[:-budget], ordered[-budget:]
    return CpuSets(tuple(server), tuple(rest[:budget] or ordered[:1]))


def parse_pin(text: str, available: Set[int]) -> CpuSets:
    """From "2-3:0,1": the server's and the load's CPUs. Raises ValueError."""
    server, colon, load = text.partition(":")
    if not colon:
        raise ValueError(f"--pin {text}: expected the server's CPUs and the load's, such as 1:0 or 2-3:0,1")
    try:
        sets = CpuSets(parse_list(server), parse_list(load))
    except ValueError as error:
        raise ValueError(f"--pin {text}: {error}") from error
    if absent := sorted({*sets.server, *sets.load} - available):
        known = ", ".join(map(str, sorted(available)))
        raise ValueError(f"--pin {text}: there is no CPU {absent[0]} for us here; there are {known}")
    return sets


def parse_list(text: str) -> tuple[int, ...]:
    """From "0,2-3", as in cpuset(7). Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part)
        cpus = range(int(match[1]), int(match[2] or match[1]) + 1) if match else ()
        if not cpus:
            raise ValueError(f"{part!r} is no CPU and no range of them")
        found |= set(cpus)
    return tuple(sorted(found))
