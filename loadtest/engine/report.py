"""What stands above and below the answers of every verb: the machine, what is invalid, how it ended. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from loadtest.document.document import Document
from loadtest.document.figures import listed, plural
from loadtest.engine.measurement import VERBS, Step
from loadtest.engine.run import Environment, Run
from loadtest.statistics.validity import DISTURBED
from loadtest.system.cpus import CpuSets, unseen

AMOUNT = re.compile(r"\b\d[\d,]*(?:\.\d+)?(?= ?%| (?:ms|s|CPU s|requests)\b)")  # with its unit; others are names
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


def _invalid(results: Sequence[Any]) -> Iterator[str]:
    """A line for each reason. What was measured, or how much of it was too much, makes no other reason."""
    alike: dict[str, list[Any]] = {}
    for one in results:
        alike.setdefault(AMOUNT.sub("", "; ".join(one.problems)), []).append(one)
    for those in alike.values():
        yield f"INVALID {_cells([one.step for one in those])}: {_between(['; '.join(one.problems) for one in those])}"


def _cells(steps: Sequence[Step]) -> str:
    """Contestants of whom the same was measured, in the same rounds, stand together."""
    rounds: dict[tuple[str, str], list[int]] = {}
    for step in steps:
        rounds.setdefault((step.what, step.contestant), []).append(step.round)
    contestants: dict[str, list[str]] = {}
    for (what, contestant), theirs in rounds.items():
        contestants.setdefault(f"{what}, round {_list(theirs)}", []).append(contestant)
    return "; ".join(f"{listed(names)}: {what}" for what, names in contestants.items())


def _between(reasons: Sequence[str]) -> str:
    """One for all, which differ in amounts alone: the least and the greatest of each."""
    amounts: list[list[str]] = [sorted(set(column), key=_amount) for column in zip(*map(AMOUNT.findall, reasons))]
    spans = iter([values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}" for values in amounts])
    return AMOUNT.sub(lambda _: next(spans), reasons[0])


def _amount(number: str) -> float:
    return float(number.replace(",", ""))


def _closing(run: Run) -> Iterator[str]:
    for one in run.failures:
        yield f"FAILED {one.contestant} ({one.step}; left out after it): {one.reason}"
    yield from _invalid([result for result in run.results if result.problems])
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
