"""What a run has found out about its models, whatever its verb: each fact with the section that shows it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from typing import Any, TypeVar

from loadtest.contestants.contestants import Kind
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import LEAST_ROUNDS, may_be_first
from loadtest.verbs.answer.dangers import CROWD, FAULTS, Danger
from loadtest.verbs.crash.catalogue import Fault
from loadtest.verbs.crash.cells import FEW, Cell, cells
from loadtest.verbs.crash.notation import section_of
from loadtest.verbs.crash.results import DELAYED, LOST, PARENT, STARVED, WRONG
from loadtest.verbs.load import rounds
from loadtest.verbs.load.report import TIE, Beside, beside, groups, ids, want_of_rounds
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.rounds import Load
from loadtest.verbs.memory.sizes import ANONYMOUS, by_contestant, price
from loadtest.verbs.walk.sequence import Connection

TOUR = "tour"
# The ids of sections, by what they show: of the main job, and of the verbs that ask one question each, whose loads
# have ids of their own.
OF_THE_MAIN_JOB = {"paced": "equal-rate", "closed": "full-load", "ballast": "ballast", "memory": "memory"}
OTHERS = {"memory": "memory-price", "crash": "crash-matrix"}

HARMS = {
    DELAYED: "makes others wait",
    LOST: "loses requests of others",
    WRONG: "gives others wrong answers",
    STARVED: "leaves others without an answer",
}
ENDS = "ends the whole server"
# Why it is not known what befalls others.
UNTRIED = "it was not tried"
IN_VAIN = "no try of it was valid"
PARTLY = "not all that was planned of it has a valid try"

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranking:
    """All models by one figure; who differs from whom is said by everybody's comparisons with everybody."""

    section: str
    values: Mapping[str, float]  # medians
    ties: Sequence[Sequence[str]] = ()  # groups, the best first; none: nobody can be told from anybody
    problem: str = ""  # why there are none
    bounds: Sequence[str] = ()  # whose values are only lower bounds, and who might be the first
    limited: Sequence[str] = ()  # whose values are only lower bounds
    rounds: int = 0
    less_is_better: bool = True
    rate: float = 0.0  # requests a second for everybody; 0: as many as there are
    load: str = ""  # which one, where the run has several of its kind

    @property
    def indicative(self) -> bool:
        return self.rounds < LEAST_ROUNDS

    @cached_property
    def ordered(self) -> list[str]:
        """By their medians, the best first: no ranks."""
        return sorted(self.values, key=lambda name: self.values[name], reverse=not self.less_is_better)

    def apart(self, one: str, other: str) -> bool:
        known = {name for group in self.ties for name in group}
        return {one, other} <= known and not any(one in group and other in group for group in self.ties)

    def best(self, among: Iterable[str]) -> list[str]:
        """Whoever of them is not told from the best one, this first."""
        able = [name for name in self.ordered if name in among]
        return [name for name in able if not self.apart(able[0], name)]

    @property
    def first(self) -> list[str]:
        """Who may be the best of all, lower bounds among them."""
        return may_be_first(self.ties, self.bounds)


@dataclass(frozen=True)
class Outcome:
    """Of one danger, for everybody of whom there is a valid try of all that was planned of it."""

    section: str
    safe: Sequence[str]  # where it harmed nobody else
    harmed: Mapping[str, str]  # what it does to others, by model
    what: Sequence[str]  # was tried, in plain words
    unknown: Mapping[str, str] = field(default_factory=dict)  # why nothing is known, by model


@dataclass(frozen=True)
class Memory:
    """Heap and stacks."""

    section: str
    what: str  # it is, and what it is taken for: the beginning of a sentence
    sizes: Mapping[str, float]
    unit: str  # MiB or KiB
    looks: int  # at each


@dataclass(frozen=True)
class Growth:
    """Of the CPU time for a request at full load, with the memory that the server's parent holds."""

    section: str
    model: str
    mebibytes: int  # at most
    heavy: float  # microseconds for a request
    light: float  # without
    indicative: bool


@dataclass(frozen=True)
class Peer:
    """A production server of the same kind, the best by CPU time for a request."""

    name: str
    times: float | None  # the model's CPU time is so many times as much; None: not told apart


@dataclass(frozen=True)
class Recovery:
    """Under a parent that starts a server again: seconds without service after a fault that harmed others."""

    section: str
    outages: Mapping[str, float]  # by model; infinite: it did not come back


@dataclass(frozen=True)
class Counts:
    """System calls of one request, by model."""

    section: str
    calls: Mapping[str, int]


@dataclass(frozen=True)
class Peers:
    section: str
    beside: Mapping[str, Peer]
    rate: float  # requests a second for everybody
    few: bool = False  # rounds: none could have been told apart


@dataclass(frozen=True)
class Facts:
    """None, or nothing: it was not measured, or not validly."""

    models: Sequence[str]  # in the order of their settings
    cost: Ranking | None = None  # microseconds of CPU time for a request, at a rate that is the same for all
    full: Ranking | None = None  # requests a second, as many as each can
    work: Ranking | None = None  # the same, with a handler's work in each
    memory: Memory | None = None
    dangers: Mapping[Danger, Outcome] = field(default_factory=dict)
    recovery: Recovery | None = None
    rotation: Sequence[str] = ()  # pools that serve a crowd when connections rotate
    growth: Growth | None = None
    calls: Counts | None = None
    peers: Peers | None = None
    behind: Mapping[str, str] = field(default_factory=dict)  # who did other work at that rate, and which; by model
    tries: int = 0  # of each fault in each model; 0: none, or not as many in all
    disturbed: tuple[int, int] = (0, 0)  # loads, and of how many
    unfinished: bool = False


def known(run: Run, names: Sequence[Mapping[str, str]] = ()) -> Facts:
    """`names` of sections, by their ids: of each chapter that has results, what they are called on the whole page."""
    loads = _loads(run, names)
    paced = [one for one in loads if not one.load.is_closed]
    priced = next((one for one in paced if _cost(one)), paced[0] if paced else None)
    watched = [one for one in run.results if one.disturbance]
    return Facts(
        models=_models(run),
        cost=_cost(priced) if priced else None,
        full=_at_full_load(loads, "/plaintext"),
        work=_at_full_load(loads, "/cpu"),
        memory=_first([*_plateaus(run), *_idle(run)]),
        dangers=dict(_dangers(run)),
        recovery=_first(_recovery(*one) for one in _of(run, "crash")),
        rotation=[one.step.contestant for part, one in _crowds(run) if one.step.rotation and _all_served(one, part)],
        growth=_first(_growth(one) for one in loads),
        calls=_first(_calls(run, part) for _, part in _of(run, "walk")),
        peers=_first(_peers(one) for one in paced),
        behind=dict(_behind(priced.load.everybody)) if priced else {},
        tries=_tries(run),
        disturbed=(sum(one.disturbed for one in watched), len(watched)),
        unfinished=bool(run.failures) or run.state != "complete",
    )


def _of(run: Run, measurement: str) -> list[tuple[str, Part]]:
    """With the verb that shows it."""
    return [(part.verb or run.verb, part) for part in run.parts if part.measurement == measurement]


def _first(found: Iterable[Value | None]) -> Value | None:
    return next((one for one in found if one), None)


def _models(run: Run) -> list[str]:
    everybody = [one for part in run.parts for one in part.settings.contestants]
    return list(dict.fromkeys(one.name for one in everybody if one.kind == Kind.model))


# --- loads


@dataclass(frozen=True)
class Shown:
    """A load, and the chapter that shows it: loads have ids of their own in each chapter."""

    load: Load[Series]
    verb: str
    names: Mapping[str, str]  # of the chapter's sections on the whole page

    @property
    def answer(self) -> str:
        """The section with its figures."""
        if self.verb == TOUR:
            return OF_THE_MAIN_JOB["closed" if self.load.is_closed else "paced"]
        return self.named(ids(self.load).answer)

    def named(self, section: str) -> str:
        return self.names.get(section, section)

    def asks_for(self, path: str) -> bool:
        one, *_ = self.load.everybody
        return one.settings.workload(one.cell.workload).path.partition("?")[0] == path


def _loads(run: Run, names: Sequence[Mapping[str, str]]) -> list[Shown]:
    found = list[Shown]()
    for chapter, theirs in zip_longest([one for one in run.chapters if one.results], names, fillvalue=None):
        if chapter:
            only = replace(chapter, parts=[part for part in chapter.parts if part.measurement == "load"])
            found += [Shown(load, chapter.verb, theirs or {}) for load in rounds.loads(Series, only)]
    return found


def _cost(one: Shown) -> Ranking | None:
    return _ranking(one.answer, one.load.everybody, "cpu")


def _ranking(section: str, series: Sequence[Series], metric: str) -> Ranking | None:
    """Of the models among them, with comparisons of their own. Who did other work has no place."""
    ours = [one for one in series if one.contestant.kind == Kind.model and one.same_work]
    values = {one.name: value for one in ours if (value := one.middle(metric)) is not None}
    if not values:
        return None
    found = groups(ours, metric)
    return Ranking(
        section,
        values,
        found.ties,
        found.problem,
        found.bounds,
        [one.name for one in ours if one.valid and metric == "throughput" and one.is_bound],
        series[0].settings.rounds,
        metric == "cpu",
        series[0].cell.rate or 0.0,
    )


def _behind(series: Sequence[Series]) -> Iterator[tuple[str, str]]:
    for one in [one for one in series if one.contestant.kind == Kind.model and one.valid and not one.same_work]:
        yield one.name, one.overloaded or one.losses[0]


def _at_full_load(loads: Iterable[Shown], path: str) -> Ranking | None:
    """Of several loads the one under which the most was answered; it is named."""
    asked = [one for one in loads if one.load.is_closed and one.asks_for(path)]
    found = [(one, ranking) for one in asked if (ranking := _ranking(one.answer, one.load.everybody, "throughput"))]
    if not found:
        return None
    best, most = max(found, key=lambda each: max(each[1].values.values()))
    return replace(most, load=best.load.name if len(found) > 1 else "")


def _growth(shown: Shown) -> Growth | None:
    everybody = shown.load.everybody
    light = [one for one in everybody if one.contestant.kind == Kind.variant and not one.contestant.ballast]
    heavy = [one for one in everybody if one.contestant.ballast]
    if not light or not heavy or shown.verb != TOUR:
        return None
    most = max(heavy, key=lambda one: one.contestant.ballast)
    ratio = most.ratio(light[0], "cpu")
    if ratio is None or (ratio.interval and not ratio.different()):
        return None
    high, low = (one.middle("cpu") or 0.0 for one in (most, light[0]))
    of, few = most.contestant, ratio.interval is None
    return Growth(OF_THE_MAIN_JOB["ballast"], of.model, of.ballast, high, low, few)


def _peers(shown: Shown) -> Peers | None:
    """As their table judges it: all comparisons of a table share a correction."""
    column = beside(shown.load.everybody).get("CPU each\nx peer", {})
    found = {name: Peer(one.other.name, _told(one)) for name, one in column.items() if one.other and one.ratio}
    if not found:
        return None
    everybody, section = shown.load.everybody, shown.named(ids(shown.load).yardstick)
    few = bool(want_of_rounds(beside(everybody))) and not any(one.times for one in found.values())
    return Peers(section, found, everybody[0].cell.rate or 0.0, few)


def _told(one: Beside) -> float | None:
    differs = one.ratio and one.ratio.interval and not one.text.endswith(TIE)
    return one.ratio.ratio if one.ratio and differs else None


# --- memory


def _plateaus(run: Run) -> Iterator[Memory | None]:
    for _, part in _of(run, "plateaus"):
        sizes = {
            one.step.contestant: one.busy.anonymous / 2**20
            for one in part.results
            if not one.problems and one.busy.anonymous is not None and one.step.contestant in _models(run)
        }
        what = f"Heap and stacks with {part.settings.connections} requests in hand"
        yield Memory(OF_THE_MAIN_JOB["memory"], what, sizes, "MiB", 1) if sizes else None


def _idle(run: Run) -> Iterator[Memory | None]:
    """Of those whose levels lie on a line."""
    for _, part in _of(run, "idle"):
        prices = {name: price(found, ANONYMOUS) for name, found in by_contestant(part).items() if name in _models(run)}
        sizes = {name: one.each.median for name, one in prices.items() if one.each and not one.bent}
        what = "Heap and stack for an idle connection"
        yield Memory(OTHERS["memory"], what, sizes, "KiB", part.settings.rounds) if sizes else None


# --- what befalls others


def _crash_section(verb: str, part: Part, fault: Fault) -> str:
    """Of few faults each has a section of its own."""
    if verb == TOUR:
        return "crash"
    return section_of(part.settings, fault) if len(part.settings.faults) <= FEW else OTHERS["crash"]


def _dangers(run: Run) -> Iterator[tuple[Danger, Outcome]]:
    for verb, part in _of(run, "crash"):
        bare = [cell for cell in cells(part) if not cell.step.keeper and not cell.step.sanitizer]
        for danger in FAULTS:
            met = [cell for cell in bare if cell.fault.id in danger.faults and cell.name in _models(run)]
            if met and (found := _outcome(_crash_section(verb, part, met[0].fault), danger, met)):
                yield danger, found
    crowds = [(part, one) for part, one in _crowds(run) if not one.step.rotation]
    if crowds:
        yield CROWD, _crowd(crowds)


def _crowd(crowds: Sequence[tuple[Part, Any]]) -> Outcome:
    safe = [one.step.contestant for part, one in crowds if _all_served(one, part)]
    clients = crowds[0][0].settings.clients
    left = {one.step.contestant: clients - one.clients_served for _, one in crowds if one.step.contestant not in safe}
    harmed = {name: f"left {count} of {clients} clients waiting" for name, count in left.items()}
    return Outcome("crowd", safe, harmed, [f"{clients} clients"])


def _outcome(section: str, danger: Danger, met: Sequence[Cell]) -> Outcome | None:
    """Safe is who contained all that was planned; harmed is who did not contain something; of others nothing is
    known."""
    theirs: dict[str, list[Cell]] = {}
    for cell in met:
        theirs.setdefault(cell.name, []).append(cell)
    hurt = {name: [one for one in found if one.valid and not one.contained] for name, found in theirs.items()}
    harmed = {name: harm(worst[0]) for name, worst in hurt.items() if worst}
    safe = [name for name, found in theirs.items() if all(one.valid for one in found) and name not in harmed]
    if not safe and not harmed:
        return None
    what = dict.fromkeys(danger.faults[cell.fault.id] for cell in met if cell.valid)
    unknown = {name: _why_unknown(found) for name, found in theirs.items() if name not in harmed and name not in safe}
    return Outcome(section, safe, harmed, list(what), unknown)


def _why_unknown(found: Sequence[Cell]) -> str:
    """Of one model."""
    if not any(one.tries for one in found):
        return UNTRIED
    return PARTLY if any(one.valid for one in found) else IN_VAIN


def _tries(run: Run) -> int:
    counts = {len(cell.tries) for _, part in _of(run, "crash") for cell in cells(part)}
    return counts.pop() if len(counts) == 1 else 0


def harm(cell: Cell) -> str:
    """To others, in the first try that harmed some."""
    one = next(one for one in cell.valid if one.verdict.harm in HARMS)
    return ENDS if one.processes.server_status is not None else HARMS[one.verdict.harm]


def _recovery(verb: str, part: Part) -> Recovery | None:
    given = [one for one in cells(part) if one.step.keeper == PARENT and one.valid and not one.contained]
    outages: dict[str, float] = {}
    for cell in given:
        name = cell.step.contestant
        outages[name] = max(outages.get(name, 0.0), cell.outage)
    return Recovery(_crash_section(verb, part, given[0].fault), outages) if given else None


def _crowds(run: Run) -> list[tuple[Part, Any]]:
    """Valid ones."""
    return [(part, one) for _, part in _of(run, "crowd") for one in part.results if not one.problems]


def _all_served(one: Any, part: Part) -> bool:
    return bool(one.clients_served >= part.settings.clients)


def _calls(run: Run, part: Part) -> Counts | None:
    """Where most of the requests made the same calls."""
    walks = [one for result in part.results if not result.problems for one in result.walks]
    calls = {
        one.contestant: len(one.calls)
        for one in walks
        if one.kind == Connection.kept and 2 * one.agreeing > one.samples and one.contestant in _models(run)
    }
    return Counts("walk-kept", calls) if calls else None
