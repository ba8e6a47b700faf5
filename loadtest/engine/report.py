"""What stands above and below the answers of every verb: the machine, what is invalid, how it ended. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from loadtest.document.document import Document
from loadtest.document.figures import plural
from loadtest.engine.run import Environment, Run
from loadtest.engine.verb import verb_of
from loadtest.statistics.validity import DISTURBED
from loadtest.system.cpus import CpuSets, unseen


def document(run: Run) -> Document:
    """A figure from a container says so: none stands beside a native one."""
    verb, environment = verb_of(run), run.environment
    head, sections = [_machine(environment, run.parts[0].settings.cpus)], verb.sections(run)
    if environment.runner != "local":
        head.append(f"IN DOCKER: {environment.place}. Compare these figures with each other, never with native ones.")
        sections = [replace(one, title=f"{one.title} [{environment.runner}]") for one in sections]
    return Document([*head, *verb.head(run)], sections, list(_closing(run)))


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


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _closing(run: Run) -> Iterator[str]:
    for one in run.failures:
        yield f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}"
    invalid: dict[str, list[Any]] = {}
    for result in run.results:
        if result.problems:
            invalid.setdefault(f"{result.step.contestant}: {result.step.what}", []).append(result)
    for cell, alike in invalid.items():
        yield f"INVALID {cell}, round {_list(one.step.round for one in alike)}: {'; '.join(alike[0].problems)}"
    yield from _disturbances(run.results)
    if run.state == "interrupted":
        yield "INTERRUPTED: the tables hold what was measured until then; --resume goes on."
    yield f"Measured in {run.seconds:.0f} s."


def _disturbances(results: Sequence[Any]) -> Iterator[str]:
    watched = [result for result in results if result.disturbance]
    if repeated := sum(result.repeats for result in watched):
        yield f"Other load on our CPUs: {plural(repeated, 'step')} thrown away and repeated."
    if disturbed := [result.disturbance.worst for result in watched if result.disturbed]:
        yield (
            f"DISTURBED: in {len(disturbed)} of {len(watched)} loads others took more than {DISTURBED:.0%} of a CPU, "
            f"at worst {max(disturbed):.0%}; results.json has each one's share. Repeat on a quiet machine."
        )
    yield from unseen([result.disturbance for result in watched])
