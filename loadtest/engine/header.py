"""Where it was measured: the head of every report. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.document.figures import plural
from loadtest.engine.run import Environment
from loadtest.system.cpu_sets import CpuSets


def describe_machine(environment: Environment, cpus: CpuSets) -> str:
    model = environment.cpu_model + (" (virtual)" if environment.virtual else "")
    return (
        f"{model}, {plural(environment.cpus, 'CPU')}: {describe_sets(cpus)}; "
        f"Linux {environment.kernel}, {environment.system}; load average {environment.load_average:.1f} at the start."
    )


def describe_sets(cpus: CpuSets) -> str:
    if cpus.server == cpus.load:
        return "server and load share it"
    shared = ", which they share" if cpus.shared else ""
    return f"server on CPU {_list(cpus.server)}, load on CPU {_list(cpus.load)}{shared}"


def describe_place(environment: Environment) -> list[str]:
    if environment.runner == "local":
        return []
    return [
        f"IN DOCKER: {environment.place}. Compare these figures with each other, never with native ones.",
    ]


def _list(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))
