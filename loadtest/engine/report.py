"""What stands above and below the answers of every verb: the machine, what is invalid, how it ended. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from loadtest.document.document import Document
from loadtest.document.figures import plural
from loadtest.engine.measurement import VERBS
from loadtest.engine.run import Environment, Run
from loadtest.statistics.validity import DISTURBED
from loadtest.system.cpus import CpuSets, unseen

CALM = 0.1  # the share of disturbed loads that needs no caveat above the tables


def document(run: Run) -> Document:
    """A figure from a container says so: none stands beside a native one."""
    verb, environment = VERBS[run.verb], run.environment
    model = environment.cpu_model + (" (virtual)" if environment.virtual else "")
    machine = (
        f"{model}, {plural(environment.cpus, 'CPU')}: {describe_sets(run.parts[0].settings.cpus)}; "
        f"Linux {environment.kernel}, {environment.system}; load average {environment.load_average:.1f} at the start."
    )
    head, sections = [machine, *_interrupts(environment), *verb.head(run)], verb.sections(run)
    if environment.runner != "local":
        place = f"IN DOCKER: {environment.place}. Compare these figures with each other, never with native ones."
        head.insert(1, place)
        sections = [replace(one, title=f"{one.title} [{environment.runner}]") for one in sections]
    return Document(head, sections, list(_closing(run)), [*verb.words(run), *_caveats(run)])


def _caveats(run: Run) -> Iterator[str]:
    """What holds for all of it."""
    watched = [result for result in run.results if result.disturbance]
    disturbed = sum(result.disturbed for result in watched)
    if disturbed > CALM * len(watched):
        yield f"With care: other load disturbed {disturbed} of {len(watched)} loads. Repeat it on a quiet machine."
    if run.failures or run.state != "complete":
        yield "With care: not all of it was measured; below the tables stands why."


def _interrupts(environment: Environment) -> list[str]:
    if environment.irq_time != "yes":
        return []
    return [
        "INTERRUPT TIME: this kernel keeps it out of processes' CPU time, so that CPU time per request leaves out what "
        "interrupts do for it, such as receiving packets."
    ]


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
    watched = [result for result in run.results if result.disturbance]
    if repeated := sum(result.repeats for result in watched):
        yield f"Other load on our CPUs, or a client that was late: {plural(repeated, 'step')} thrown away and repeated."
    if disturbed := [result.disturbance.worst for result in watched if result.disturbed]:
        yield (
            f"DISTURBED: in {len(disturbed)} of {len(watched)} loads others, or the host, took more than "
            f"{DISTURBED:.0%} of a CPU, at worst {max(disturbed):.0%}; results.json has each one's share. Repeat on a "
            "quiet machine."
        )
    yield from unseen([result.disturbance for result in watched])
    if run.state == "interrupted":
        yield "INTERRUPTED: the tables hold what was measured until then; --resume goes on."
    yield f"Measured in {run.seconds:.0f} s."
