"""What stands above and below the answers of every verb: the machine, what is invalid, how it ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loadtest.document.document import Document, Section
from loadtest.document.figures import plural
from loadtest.engine import verb
from loadtest.engine.run import Environment, Run
from loadtest.statistics.validity import DISTURBED
from loadtest.system import cpus
from loadtest.system.cpu_sets import CpuSets


def document(run: Run) -> Document:
    own, sets = verb.of(run), run.parts[0].settings.cpus
    head = [_machine(run.environment, sets), *_place(run.environment), *own.head(run)]
    return Document(head, [_labelled(section, run.environment) for section in own.sections(run)], _closing(run))


def _labelled(section: Section, environment: Environment) -> Section:
    """A figure from a container says so: none stands beside a native one."""
    if environment.runner == "local":
        return section
    return replace(section, title=f"{section.title} [{environment.runner}]")


def _machine(environment: Environment, sets: CpuSets) -> str:
    model = environment.cpu_model + (" (virtual)" if environment.virtual else "")
    return (
        f"{model}, {plural(environment.cpus, 'CPU')}: {describe_sets(sets)}; "
        f"Linux {environment.kernel}, {environment.system}; load average {environment.load_average:.1f} at the start."
    )


def describe_sets(sets: CpuSets) -> str:
    if sets.server == sets.load:
        return "server and load share it"
    shared = ", which they share" if sets.shared else ""
    return f"server on CPU {_list(sets.server)}, load on CPU {_list(sets.load)}{shared}"


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _place(environment: Environment) -> list[str]:
    if environment.runner == "local":
        return []
    return [f"IN DOCKER: {environment.place}. Compare these figures with each other, never with native ones."]


def _closing(run: Run) -> list[str]:
    lines = [f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}" for one in run.failures]
    lines += [*_invalid(run.results), *_disturbances(run.results)]
    if run.state == "interrupted":
        lines.append("INTERRUPTED: the tables hold what was measured until then; --resume goes on.")
    return [*lines, f"Measured in {run.seconds:.0f} s."]


def _invalid(results: Sequence[Any]) -> list[str]:
    """A line for each contestant and what was measured of it, with the first one's reasons."""
    found: dict[str, list[Any]] = {}
    for result in results:
        if result.problems:
            found.setdefault(f"{result.step.contestant}: {result.step.what}", []).append(result)
    return [
        f"INVALID {cell}, round {_list([one.step.round for one in alike])}: {'; '.join(alike[0].problems)}"
        for cell, alike in found.items()
    ]


def _disturbances(results: Sequence[Any]) -> list[str]:
    watched = [(result, result.disturbance) for result in results if result.disturbance]
    disturbed = [one.worst for _, one in watched if one.worst > DISTURBED]
    repeated = sum(result.repeats for result, _ in watched)
    lines = []
    if repeated:
        lines.append(f"Other load on our CPUs: {plural(repeated, 'step')} thrown away and repeated.")
    if disturbed:
        lines.append(
            f"DISTURBED: in {len(disturbed)} of {len(watched)} loads others took more than {DISTURBED:.0%} of a CPU, "
            f"at worst {max(disturbed):.0%}; results.json has each one's share. Repeat on a quiet machine."
        )
    return lines + cpus.unseen([one for _, one in watched])
