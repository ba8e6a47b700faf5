"""One fault, request by request: when whom was harmed, how many, and what the scoreboard and wrk tell. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from loadtest.document.document import Plot, Section, Table, words
from loadtest.document.figures import DASH, listed, number, share
from loadtest.engine.run import Part
from loadtest.verbs.crash import plots
from loadtest.verbs.crash.catalogue import ADDRESS, Fault
from loadtest.verbs.crash.cells import Cell, cells, columns, tried_faults
from loadtest.verbs.crash.notation import (
    ACCOUNT,
    ACCOUNT_IS,
    HARM,
    LETTERS,
    RADIUS,
    STORED,
    STORED_IS,
    WIDE,
    absent,
    account,
    counted,
    either,
    ended,
    fate,
    how,
    narrow,
    seconds,
    section_of,
    short,
    steps_legend,
    stored,
)
from loadtest.verbs.crash.plan import SLOT, CrashSettings
from loadtest.verbs.crash.plots import Chosen
from loadtest.verbs.crash.results import Crash, Known


def strips(part: Part) -> list[Section]:
    """Of each fault that was tried: what happened when, how many were harmed, what the scoreboard tells, and wrk."""
    found: list[Section] = []
    everything = cells(part)
    order = list(columns(everything, part))
    everything.sort(key=lambda cell: order.index(cell.name))
    docker = part.settings.runner == "docker"
    timelines = plots.timelines(part, tried_faults(part))
    for fault in tried_faults(part):
        tried = [cell for cell in everything if cell.fault == fault and cell.tries]
        of_this = [
            _timeline(part.settings, tried, first=not found),
            _account(part.settings, tried),
            _knowledge(tried, docker),
            *([_wrk(tried)] if any(one.told_by_wrk for cell in tried for one in cell.valid) else []),
        ]
        found += _on_a_page(part, fault, timelines.get(fault), of_this)
    return found


def _on_a_page(part: Part, fault: Fault, timeline: Plot | None, sections: Sequence[Section]) -> Iterator[Section]:
    """With what links refer to, in a chapter of that fault, and with figures."""
    anchor, any_build = section_of(part.settings, fault), Chosen(None, fault)
    figures: dict[str, list[Plot | None]] = {
        "": [timeline, *plots.side_by_side(part, anchor, any_build)],
        "-harmed": [plots.harmed(part, fault)],
    }
    for section, suffix in zip(sections, ("", "-harmed", "-scoreboard", "-wrk")):
        shown = list(filter(None, figures.get(suffix, [])))
        yield replace(section, id=anchor + suffix, plots=shown, chapter=f"The fault {fault.name}")


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
    about = [how(settings), LETTERS, RADIUS, HARM, *steps_legend([cell.step for cell in tried])]
    wait = f"What the fault could spoil, and half of the clients ask for: {fault.load}."
    notes = [*(about if first else []), wait, *expectations(fault, tried), *absent(settings, [fault])]
    return Section(f"{fault.name}: {fault.title}", _filled(heads, tried, _moments), notes)


def _moments(one: Crash) -> list[str]:
    slot = int(one.fault_at / SLOT + 1e-6)
    verdict = [short(str(one.verdict)), *([f"!= {either(one.expected)}"] if one.surprising else [])]
    return [
        f"{one.strip[:slot]}|{one.strip[slot:]}",
        "\n".join(narrow(line, WIDE) for line in verdict),
        seconds(one.recovery.outage) or "none",
        narrow(one.recovery.by),
        fate(one.faulty),
    ]


def expectations(fault: Fault, tried: Sequence[Cell]) -> Iterator[str]:
    """Of those who were tried without a keeper."""
    for sanitizer, built in {"": "", ADDRESS: " with AddressSanitizer"}.items():
        bare = {cell.step.contestant for cell in tried if (cell.step.keeper, cell.step.sanitizer) == ("", sanitizer)}
        for one in fault.expectations(sanitizer):
            models = [model for model in one.models if model in bare]
            if models:
                yield f"Expected of {listed(models)}{built}: {either(one.verdicts)}. {one.because}"


def _account(settings: CrashSettings, tried: Sequence[Cell]) -> Section:
    """Of what was stored nothing where nobody was to store anything."""
    name, asked = tried[0].fault.name, bool(settings.sessions)

    def numbers(one: Crash) -> list[str]:
        kept = stored(one.stored) if asked else []
        return [*account(one.others, one.processes), *kept, ended(one.processes.server_status)]

    heads = (*ACCOUNT, *(STORED if asked else ()), "server")
    title = f"How many did {name} harm, and what is left of the server?"
    return Section(title, _filled(heads, tried, numbers), [ACCOUNT_IS, *([STORED_IS] if asked else [])])


def _knowledge(tried: Sequence[Cell], docker: bool) -> Section:
    fault = tried[0].fault
    heads = ("connections just before", "blamed", "is it so?", "left of the server")
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
    for cell in (cell for cell in tried if not cell.step.sanitizer):
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
