"""The tables of faults: who was harmed, for how long, and what is left of the server. Pure."""

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from loadtest.document.document import Section, Table, words
from loadtest.document.figures import DASH, listed, number, share
from loadtest.engine.run import Part
from loadtest.system.processes import describe_status
from loadtest.verbs.crash.catalogue import HANDLER, Fault
from loadtest.verbs.crash.ledger import LEAST_LATE, OFFERED, TIMES_P99
from loadtest.verbs.crash.plan import SLOT, CrashSettings, Try, steps
from loadtest.verbs.crash.results import DOCKER, NONE, PARENT, Crash, CrashStep, Known, Others, Processes

LINE = 12  # characters of a cell of the matrix, so that seven models stand side by side in 120 columns
WIDE = 16  # of a verdict, where there is more room
NAME = 20  # and of the name of a row
INAPPLICABLE = "n/a"
FOR_EVER = "to the end"
SYMPTOMS = {"EOF before response": "EOF", "never answered": "unanswered"}  # shorter than pace.OUTCOMES

RADIUS = (
    "First word, the radius: the smallest scope that holds everyone who was harmed. nobody: the faulty request, if "
    "there was one, was answered well, too. request: it got an error status, and its connection goes on. connection: "
    "its connection was cut, or it waits for ever. worker: others were harmed, all of them on its worker (a process, "
    "thread or loop). server: others on other workers, too, or newcomers."
)
HARM = (
    "Second word, the harm: the worst that happened to somebody else; no second word: nobody else was harmed. "
    f"delayed: answered, but later than {LEAST_LATE * 1000:.0f} ms and than {TIMES_P99} times the p99 before. lost: "
    "cut off, refused, timed out, or answered with an error status. wrong: answered with other bytes. starved: never "
    "answered."
)
ACCOUNT = ("lost\nin hand", "others\nharmed", "how", "newcomers\nharmed", "clients\nkept", "processes\nkept")
ACCOUNT_IS = (
    "Lost in hand: of the others' requests that were sent before the fault and not ended by then, those that got "
    "no good answer. Others harmed: of these and all that were due later. Newcomers: those after the fault. "
    "Clients kept: of the connections in use before it, answered on something that was sent after it. Processes: "
    "without those that live for one request; +1 is a new one."
)
LETTERS = (
    f"Each letter: what happened to the others' requests that were due in these {SLOT * 1000:.0f} ms. .: all were "
    "answered in time. d, l, w, s: some were delayed, lost, answered wrongly, starved; the worst of it. D, L, W, S: "
    "half of them or more were harmed. Blank: none was due."
)

KEPT = {
    PARENT: "+parent: with --supervise, a parent process that starts the server again when it dies.",
    DOCKER: "+restart: in a container that Docker starts again when the server has failed (--restart on-failure). "
    "Docker waits 100 ms before it does, and then makes a container's processes anew.",
}


# --- what was tried


@dataclass(frozen=True)
class Cell:
    """All tries of one fault with one contestant."""

    name: str  # of the contestant, with its given parent
    fault: Fault
    step: CrashStep
    tries: Sequence[Crash]  # that were measured, invalid ones, too

    @property
    def valid(self) -> list[Crash]:
        return [one for one in self.tries if not one.problems]

    @property
    def verdicts(self) -> Counter[str]:
        """The most frequent first."""
        return Counter(dict(Counter(str(one.verdict) for one in self.valid).most_common()))

    @property
    def surprising(self) -> list[Crash]:
        return [one for one in self.tries if one.surprising]

    @property
    def contained(self) -> bool:
        """Nobody else was ever harmed."""
        return all(one.verdict.harm == NONE for one in self.valid)

    @property
    def outage(self) -> float:
        """Seconds, the median; infinite when service did not come back."""
        backs = [one.recovery.back for one in self.valid]
        return median(math.inf if back is None else back for back in backs)


def cells(part: Part) -> list[Cell]:
    """One for each fault and contestant that were planned, whether or not they were measured, in the plan's order."""
    settings: CrashSettings = part.settings
    found: dict[CrashStep, list[Crash]] = {replace(step, round=1): [] for step in steps(settings)}
    for one in part.results:
        found[replace(one.step, round=1)].append(one)
    return [
        Cell(settings.contestant_of(step).name, settings.fault(step.fault), step, tries)
        for step, tries in found.items()
    ]


def columns(part: Part) -> dict[str, str]:
    """Contestants by the name that is shown, each before itself under a keeper."""
    order = [one.name for one in part.settings.contestants]
    planned = sorted(cells(part), key=lambda cell: (order.index(cell.step.contestant), cell.step.keeper))
    return {cell.name: cell.step.contestant for cell in planned}


def tried_faults(part: Part) -> list[Fault]:
    measured = {one.step.fault for one in part.results}
    return [fault for fault in part.settings.faults if fault.name in measured]


# --- how it was tried


def in_docker(settings: CrashSettings) -> bool:
    return settings.runner == "docker"


def how(settings: CrashSettings) -> str:
    tries = "once" if settings.repeats == 1 else f"{settings.repeats} times"
    asked = all(fault.kind == HANDLER for fault in settings.faults)
    return (
        f"{settings.clients} clients keep their connections and ask {settings.rate} times a second, half of them for "
        f"/sleep?ms={settings.wait}, half for what the fault could spoil; somebody new connects every "
        f"{settings.newcomers * 1000:g} ms. At {settings.fault_at:g} s "
        f"{'somebody else asks for the fault' if asked else 'the fault comes'}. Watched until "
        f"{settings.duration:g} s. Each {tries}, in a server of its own."
    )


# --- how it is written


def short(verdict: str) -> str:
    """Without its harm where there was none."""
    return verdict.removesuffix(f" {NONE}")


def either(verdicts: Sequence[str]) -> str:
    return " or ".join(map(short, verdicts))


def seconds(outage: float) -> str:
    """Nothing of what would be 0.00."""
    if math.isinf(outage):
        return FOR_EVER
    return f"{outage:.2f} s" if outage >= 0.005 else ""


def ended(status: int | None) -> str:
    if status is None:
        return "lives"
    return describe_status(status).removeprefix("was killed by ").removeprefix("exited with ")


def text(cell: Cell) -> str:
    """The verdict, the outage, and what was expected where it was something else."""
    if not cell.valid:
        return DASH
    unlike = cell.surprising
    lines = [*told(cell), seconds(cell.outage), f"!= {either(unlike[0].expected)}" if unlike else ""]
    return "\n".join(narrow(line) for line in lines if line)


def told(cell: Cell) -> list[str]:
    """Verdicts, with counts where the tries differ."""
    seen = cell.verdicts
    if len(seen) == 1:
        return [short(verdict) for verdict in seen]
    return [f"{short(verdict)} {share(count, seen.total())}" for verdict, count in seen.items()]


def narrow(line: str, width: int = LINE) -> str:
    return "\n".join(textwrap.wrap(line, width, break_long_words=False))


def row_name(name: str) -> str:
    """Parameters below it where they are too long to stand beside it."""
    return name if len(name) <= NAME else name.replace("?", "\n  ?").replace("&", "\n  &")


# --- all faults, side by side


def matrix(part: Part) -> Section:
    """A row for each fault, a column for each contestant; a line between the kinds of faults."""
    settings, across, tried = part.settings, columns(part), tried_faults(part)
    found = {(cell.fault, cell.name): cell for cell in cells(part)}
    filled = Table(("", *map(narrow, across)), numbers=False, wide=True)
    for above, fault in zip([None, *tried], tried):
        if above and above.kind != fault.kind:
            filled.add_rule()
        filled.add_row(row_name(fault.name), *(_cell(found.get((fault, name)), fault, across[name]) for name in across))
    shown = [cell for (fault, _), cell in found.items() if fault in tried]
    notes = [how(settings), RADIUS, HARM, *_legend(settings, shown), *_absent(settings, tried)]
    return Section("Whom does one fault harm, and for how long?", filled, notes)


def _cell(cell: Cell | None, fault: Fault, contestant: str) -> str:
    """Nothing where it was not planned."""
    if cell:
        return text(cell)
    return "" if fault.applies_to(contestant) else INAPPLICABLE


def _legend(settings: CrashSettings, shown: Sequence[Cell]) -> Iterator[str]:
    if any(cell.valid and cell.outage > 0 for cell in shown):
        yield (
            f"Below it, the outage: seconds from the fault until {OFFERED:.0%} of all requests were answered in time "
            f"again; {FOR_EVER}: not as long as it was watched."
        )
    if any(cell.surprising for cell in shown):
        yield "!=: not what common/faults/faults.json expects, which stands behind it; the reasons stand below."
    if any(len(cell.verdicts) > 1 for cell in shown):
        yield f"Of {settings.repeats} tries, how many had each verdict, where they differ; the outage is the median."
    if any(not cell.valid for cell in shown):
        yield f"{DASH}: there was no valid try."
    yield from contestants_legend(shown)


def contestants_legend(shown: Sequence[Cell]) -> Iterator[str]:
    yield from steps_legend([cell.step for cell in shown])


def steps_legend(tried: Sequence[Try]) -> Iterator[str]:
    if any(step.contestant == "coroutines-2" for step in tried):
        yield "coroutines-2: coroutines with two loops, which are two threads of one process."
    for keeper in sorted({step.keeper for step in tried if step.keeper}):
        yield KEPT[keeper]


def _absent(settings: CrashSettings, tried: Sequence[Fault]) -> Iterator[str]:
    """To whom a fault cannot happen."""
    asked = {one.name for one in settings.contestants}
    reasons: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for fault in tried:
        for group in fault.inapplicable:
            models = tuple(model for model in group.models if model in asked)
            if models:
                reasons.setdefault((group.because, models), []).append(fault.name)
    for (because, models), faults in reasons.items():
        yield f"{INAPPLICABLE}: {listed(faults)} with {listed(models)}. {because}"


# --- what was not expected


def mismatches(part: Part) -> list[str]:
    """A sentence or two for each cell that surprises: what was seen, what was expected, and why."""
    return [_mismatch(cell) for cell in cells(part) if cell.surprising]


def _mismatch(cell: Cell) -> str:
    unlike = cell.surprising
    seen = either(list(dict.fromkeys(str(one.verdict) for one in unlike)))
    often = f" in {len(unlike)} of {len(cell.valid)} tries" if len(cell.tries) > 1 else ""
    expectation = cell.fault.expectation(cell.step.contestant)
    because = f" {expectation.because}" if expectation else ""
    return (
        f"{cell.fault.name}, {cell.name}: it was {seen}{often}; expected is " f"{either(unlike[0].expected)}.{because}"
    )


def surprises(part: Part) -> Section | None:
    """None where everything was as expected."""
    found = mismatches(part)
    return Section("What was not as the catalogue expects?", None, found) if found else None


# --- one fault, request by request


def strips(part: Part) -> list[Section]:
    """Of each fault that was tried: what happened when, how many were harmed, what the scoreboard tells, and wrk."""
    found: list[Section] = []
    order = list(columns(part))
    everything = sorted(cells(part), key=lambda cell: order.index(cell.name))
    docker = in_docker(part.settings)
    for fault in tried_faults(part):
        tried = [cell for cell in everything if cell.fault == fault and cell.tries]
        found += [_timeline(part.settings, tried, first=not found), _account(tried), _knowledge(tried, docker)]
        found += [_wrk(tried)] if any(one.told_by_wrk for cell in tried for one in cell.valid) else []
    return found


def _rows(tried: Sequence[Cell]) -> Iterator[tuple[str, Crash]]:
    """Each try, with the contestant's name before its first."""
    for cell in tried:
        for index, one in enumerate(cell.tries):
            yield ("" if index else cell.name), one


def _filled(heads: Sequence[str], tried: Sequence[Cell], row: Callable[[Crash], Sequence[str]]) -> Table:
    """Dashes for who is invalid."""
    filled = words("", *heads)
    for name, one in _rows(tried):
        filled.add_row(name, *([DASH] * len(heads) if one.problems else row(one)))
    return filled


def _timeline(settings: CrashSettings, tried: Sequence[Cell], first: bool) -> Section:
    """The first tells how it is to be read."""
    fault = tried[0].fault
    heads = (f"{SLOT * 1000:.0f} ms each, | the fault", "verdict", "outage", "brought\nback by", "faulty\nrequest")
    about = [how(settings), LETTERS, RADIUS, HARM, *contestants_legend(tried)]
    wait = f"What the fault could spoil, and half of the clients ask for: {fault.load}."
    notes = [*(about if first else []), wait, *expectations(fault, tried), *_absent(settings, [fault])]
    return Section(f"{fault.name}: {fault.title}", _filled(heads, tried, _moments), notes)


def _moments(one: Crash) -> list[str]:
    slot = int(one.fault_at / SLOT + 1e-6)
    verdict = [short(str(one.verdict)), *([f"!= {either(one.expected)}"] if one.surprising else [])]
    back = math.inf if one.recovery.back is None else one.recovery.back
    return [
        f"{one.strip[:slot]}|{one.strip[slot:]}",
        "\n".join(narrow(line, WIDE) for line in verdict),
        seconds(back) or "none",
        narrow(one.recovery.by),
        fate(one.faulty),
    ]


def fate(faulty: Sequence[str]) -> str:
    """Of the faulty requests."""
    return "\n".join(counted(SYMPTOMS.get(what, what) for what in faulty)) or DASH


def counted(several: Iterable[str]) -> list[str]:
    return [f"{count} x {what}" if count > 1 else what for what, count in Counter(several).items()]


def expectations(fault: Fault, tried: Sequence[Cell]) -> Iterator[str]:
    """Of those who were tried without a keeper."""
    there = {cell.step.contestant for cell in tried if not cell.step.keeper}
    for one in fault.expected:
        models = [model for model in one.models if model in there]
        if models:
            yield f"Expected of {listed(models)}: {either(one.verdicts)}. {one.because}"


def _account(tried: Sequence[Cell]) -> Section:
    name = tried[0].fault.name
    title = f"How many did {name} harm, and what is left of the server?"
    return Section(title, _filled((*ACCOUNT, "server"), tried, _numbers), [ACCOUNT_IS])


def _numbers(one: Crash) -> list[str]:
    return [*account(one.others, one.processes), ended(one.processes.server_status)]


def account(others: Others, processes: Processes) -> list[str]:
    """A cell for each of ACCOUNT."""
    by_symptom = sorted(others.harmed.items(), key=lambda item: -item[1])
    return [
        share(others.in_hand_lost, others.in_hand),
        share(sum(others.harmed.values()), others.asked),
        "\n".join(f"{count} {SYMPTOMS.get(symptom, symptom)}" for symptom, count in by_symptom),
        share(others.newcomers_harmed, others.newcomers),
        share(others.connections_kept, others.connections),
        share(processes.kept, processes.before) + (f" +{processes.new}" if processes.new else ""),
    ]


def _knowledge(tried: Sequence[Cell], docker: bool) -> Section:
    fault = tried[0].fault
    heads = ("connections just before", "blamed", "is it so?", "left after the drain")
    notes = [
        "Just before the fault, by phase. Blamed: requests whose handler ran where a worker died, or has not returned; "
        "the scoreboard is a file that outlives the server. Is it so: whether these are the faulty requests.",
    ]
    filled = _filled(heads, tried, lambda one: _known(fault, one))
    if docker:
        notes.append("Of a container nothing can be left: the kernel ends its processes with its first one (tini).")
    return Section(f"What does the scoreboard tell of {fault.name}?", filled, notes)


def _known(fault: Fault, one: Crash) -> list[str]:
    left = "\n".join(one.leftovers) or "nothing"
    if one.known is None:
        return [DASH, DASH, DASH, left]
    phases = ", ".join(f"{count} {phase}" for phase, count in one.known.phases.items() if count)
    return [phases or DASH, "\n".join(counted(one.known.blamed)) or "none", blame(fault, one.known), left]


def _wrk(tried: Sequence[Cell]) -> Section:
    """Beside what really happened."""
    filled = words("", "requests/s", "99 % ms", "errors", "others really harmed")
    for cell in tried:
        for one in (one for one in cell.valid if one.step.round == 1):
            filled.add_row(cell.name, *(_told_by_wrk(one) if one.told_by_wrk else [DASH] * 4))
    notes = [
        "wrk with as many connections met the same fault in a run of its own, after the first of two seconds. It asks "
        "again when it is answered, and counts answers: who waits for ever is in none of its figures, and nobody new "
        "comes.",
    ]
    return Section(f"What would wrk have said of {tried[0].fault.name}?", filled, notes)


def _told_by_wrk(one: Crash) -> list[str]:
    told = one.told_by_wrk
    assert told
    errors = ", ".join(f"{count:,} {kind}" for kind, count in told.errors.items()) or "none"
    p99 = DASH if told.p99 is None else number(told.p99)
    return [number(told.throughput), p99, errors, share(sum(one.others.harmed.values()), one.others.asked)]


def blame(fault: Fault, known: Known) -> str:
    """Whether the scoreboard names the faulty requests; a dash where there are none."""
    guilty, blamed = {f"POST {target}" for target in fault.requests}, set(known.blamed)
    if not fault.requests or not blamed:
        return DASH
    if blamed <= guilty:
        return "yes"
    return "others, too" if blamed & guilty else "no"


# --- the main job's


def main_job(part: Part) -> Section:
    """A row for each contestant; behind the first fault what became of the others' requests and connections."""
    settings, tried = part.settings, tried_faults(part)
    found = {(cell.fault, cell.name): cell for cell in cells(part)}
    first, *others = (fault.name for fault in tried) if tried else [""]
    filled = words("", first, "lost in\nhand", "clients\nkept", *others)
    for name, contestant in columns(part).items() if tried else ():
        crashed, *more = (_cell(found.get((fault, name)), fault, contestant) for fault in tried)
        filled.add_row(name, crashed, *_survivors(found.get((tried[0], name))), *more)
    shown = [cell for (fault, _), cell in found.items() if fault in tried]
    titles = " ".join(f"{fault.name}: {fault.title}." for fault in tried)
    notes = [titles, how(settings), RADIUS, HARM, *_legend(settings, shown), *mismatches(part)]
    return Section("Whom does one faulty request harm, and for how long?", filled, notes)


def _survivors(cell: Cell | None) -> list[str]:
    """Of the first valid try: requests that were in hand and lost, connections that were kept."""
    if cell is None:
        return ["", ""]
    if not cell.valid:
        return [DASH, DASH]
    others = cell.valid[0].others
    return [share(others.in_hand_lost, others.in_hand), share(others.connections_kept, others.connections)]
