"""What a script did: each contestant's whole time as a strip, and its faults side by side. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadtest.document.document import Caveat, Section, Sentence, Table, said, words
from loadtest.document.figures import DASH, listed
from loadtest.engine.run import Part
from loadtest.verbs.crash.notation import (
    ACCOUNT,
    ACCOUNT_IS,
    FOR_EVER,
    HARM,
    LETTERS,
    RADIUS,
    SCRIPT,
    account,
    counted,
    each,
    either,
    ended,
    fate,
    legend,
    narrow,
    seconds,
    short,
    unexpected,
    unlike,
)
from loadtest.verbs.crash.plan import SLOT
from loadtest.verbs.crash.results import LOST, NONE
from loadtest.verbs.crash.script import plots
from loadtest.verbs.crash.script.plan import PlaySettings, steps
from loadtest.verbs.crash.script.results import Effect, Played, PlayStep
from loadtest.verbs.crash.script.schedule import Script
from loadtest.verbs.crash.words import CONTAINED, EFFECTS, ENDED, SCOPES

LETTERS_A_LINE = 80  # of a strip, beside a name
FIRST_ALONE = (
    "The catalogue says what is expected of the first fault alone, without a given parent: what comes later meets a "
    "server that an earlier fault may have damaged or ended."
)
DOWN = (
    "In parentheses: service was not back from the fault before, so that the harm may be its work, and not that of the "
    "fault itself."
)


def sections(part: Part) -> list[Section]:
    tries = by_contestant(part)
    return [
        replace(verdicts(part, tries), id=SCRIPT, plots=plots.matrices(part, tries)),
        replace(strips(part.settings, tries), id=f"{SCRIPT}-strips", plots=plots.timelines(part, tries)),
        replace(accounts(tries), id=f"{SCRIPT}-harmed", plots=list(filter(None, [plots.harmed(part, tries)]))),
    ]


def by_contestant(part: Part) -> dict[str, list[Played]]:
    """Its tries, by the name that is shown; of those that were measured."""
    settings: PlaySettings = part.settings
    found: dict[PlayStep, list[Played]] = {replace(step, round=1): [] for step in steps(settings)}
    for one in part.results:
        found[replace(one.step, round=1)].append(one)
    return {settings.contestant_of(step).name: tries for step, tries in found.items() if tries}


# --- fault by fault


def verdicts(part: Part, tries: dict[str, list[Played]]) -> Section:
    settings: PlaySettings = part.settings
    filled = Table(("", *map(narrow, tries)), numbers=False, wide=True)
    for index, blow in enumerate(settings.script.blows):
        filled.add_row(f"{blow.at:g} s {blow.fault.name}", *(_cell(index, theirs) for theirs in tries.values()))
    shown = [one for theirs in tries.values() for one in theirs]
    notes = [how(settings), RADIUS, HARM, *_legend(shown), FIRST_ALONE, *_absent(settings)]
    return Section("Whom does each fault of the script harm, and for how long?", filled, notes)


def how(settings: PlaySettings) -> str:
    script = settings.script
    loads = listed([f"{one.rate} from {one.at:g} s on" if one.at else str(one.rate) for one in script.loads])
    arrivals = "evenly" if script.seed is None else f"at random, as from seed {script.seed}"
    tries = "once" if settings.repeats == 1 else f"{settings.repeats} times"
    return (
        f"{script.name}: {settings.load_clients} clients keep their connections and ask {loads} times a second, "
        f"{arrivals}. Half of the requests are for /sleep?ms={settings.wait}, half for what the faults could spoil "
        f"({listed(settings.loads)}). Somebody new connects every {settings.newcomers * 1000:g} ms. Each fault comes "
        f"from a client of its own. The end is at {script.end:g} s. Each contestant played it {tries}."
    )


def _cell(index: int, tries: Sequence[Played]) -> str:
    """Of one fault; tries that are alike once, with their number where others differ."""
    valid = [one for one in tries if not one.problems]
    if not valid:
        return DASH
    effects = [one.effects[index] for one in valid]
    strange = [f"!= {either(one.expected)}" for one in effects if one.surprising]
    outage = seconds(max(one.recovery.outage for one in effects))
    lines = [*each(list(map(plots.verdict, effects))), outage, *strange[:1]]
    return "\n".join(narrow(line) for line in lines if line)


def _legend(shown: Sequence[Played]) -> Iterator[str]:
    valid = [one for one in shown if not one.problems]
    effects = [one for played in valid for one in played.effects]
    away = any(one.recovery.outage > 0 for one in effects)
    outage = f", of several tries the longest; {FOR_EVER}: not before the next fault, or the end" if away else ""
    surprising = any(one.surprising for one in valid)
    yield from legend(outage, surprising, len(valid) < len(shown), [one.step for one in shown])
    if any(one.already_down for one in effects):
        yield DOWN


def _absent(settings: PlaySettings) -> Iterator[str]:
    """Who could not play it."""
    for one in settings.contestants:
        if blow := settings.inapplicable(one.name):
            because = blow.fault.why_not(one.name)
            yield f"{one.name} is left out: {blow.fault.name} cannot happen to it. {because}"


# --- the whole time


def strips(settings: PlaySettings, tries: dict[str, list[Played]]) -> Section:
    """Each try below a line of its own."""
    filled = words("", "s", f"{SLOT * 1000:.0f} ms each, | a fault")
    for name, theirs in tries.items():
        for one in theirs:
            rows = [(DASH, DASH)] if one.problems else list(lines(settings.script, one.strip))
            for number, row in enumerate(rows):
                filled.add_row("" if number else narrow(name), *row)
            filled.add_rule()
    wholes = [f"{name}: {_whole(one)}" for name, theirs in tries.items() for one in theirs if not one.problems]
    return Section("When were clients harmed?", filled, [LETTERS, *wholes])


def lines(script: Script, strip: str) -> Iterator[tuple[str, str]]:
    """Of one strip: when each begins, and its letters, with a bar before each fault."""
    bars = [int(blow.at / SLOT + 1e-6) for blow in script.blows]
    for start in range(0, len(strip), LETTERS_A_LINE):
        slots = range(start, min(start + LETTERS_A_LINE, len(strip)))
        yield f"{start * SLOT:.1f}", "".join("|" * bars.count(slot) + strip[slot] for slot in slots)


def _whole(one: Played) -> str:
    """In a sentence or two."""
    server = "The server lives." if one.server_status is None else f"The server is gone: {ended(one.server_status)}."
    blamed = f" The scoreboard blames {listed(counted(one.blamed))}." if one.blamed else ""
    left = f" Left of the server: {listed(one.leftovers)}." if one.leftovers else ""
    return f"{one.harmed:,} of {one.asked:,} requests of the others were harmed. {server}{blamed}{left}"


# --- how many


def accounts(tries: dict[str, list[Played]]) -> Section:
    filled = words("", "fault", "faulty\nrequest", *ACCOUNT, "brought\nback by")
    for name, theirs in tries.items():
        for number, one in enumerate(theirs):
            for index, effect in enumerate([] if one.problems else one.effects):
                first = name if not number and not index else ""
                numbers = account(effect.others, effect.processes)
                fault = f"{effect.at:g} s {effect.fault}".replace("?", "\n  ?")
                filled.add_row(first, fault, fate(effect.faulty), *numbers, narrow(effect.recovery.by))
        filled.add_rule()
    note = (
        "A request belongs to the last fault before it was answered, ended, or late: who waits in vain already when a "
        "fault comes counts at an earlier one."
    )
    return Section("How many did each fault harm, and what was left?", filled, [ACCOUNT_IS, note])


# --- in words


def mismatches(part: Part) -> list[str]:
    """A sentence or two for each contestant that surprises, on its first surprising try."""
    tried = by_contestant(part).items()
    surprising = {name: [one for one in tries if one.surprising] for name, tries in tried}
    return [_mismatch(part.settings, name, tries[0]) for name, tries in surprising.items() if tries]


def caveats(part: Part) -> list[Caveat]:
    strange = [name for name, tries in by_contestant(part).items() if any(one.surprising for one in tries)]
    first = part.settings.script.blows[0].fault.name
    return [unexpected([f"{first} with {name}" for name in strange])] if strange else []


def _mismatch(settings: PlaySettings, name: str, one: Played) -> str:
    index, effect = next((index, effect) for index, effect in enumerate(one.effects) if effect.surprising)
    what, fault = f"{effect.fault} at {effect.at:g} s, {name}", settings.script.blows[index].fault
    return unlike(what, short(str(effect.verdict)), fault.expectation(one.step.contestant))


def told(part: Part) -> list[str]:
    return [str(one) for one in sentences(part)]


def sentences(part: Part) -> list[Sentence]:
    """A sentence for each fault, of everybody's first valid try, and one for who was gone at the end."""
    settings: PlaySettings = part.settings
    valid = {name: [one for one in tries if not one.problems][:1] for name, tries in by_contestant(part).items()}
    firsts = {name: one for name, tries in valid.items() for one in tries}
    blows = settings.script.blows if firsts else ()
    gone = [name for name, one in firsts.items() if one.server_status is not None]
    return [
        *(said(f"{one.fault.name} at {one.at:g} s {_alike(n, firsts)}.", SCRIPT) for n, one in enumerate(blows)),
        *([said(f"At the end no server was left of {listed(gone)}.", SCRIPT)] if gone else []),
    ]


def _alike(index: int, firsts: dict[str, Played]) -> str:
    """What that fault did, and in whom."""
    names: dict[str, list[str]] = {}
    for name, one in firsts.items():
        names.setdefault(_told(one, one.effects[index]), []).append(name)
    return "; ".join(f"{what} in {listed(theirs)}" for what, theirs in names.items())


def _told(played: Played, one: Effect) -> str:
    if one.already_down:
        return "finds the service down already"
    harm, back = one.verdict.harm, one.recovery.back
    if harm == NONE:
        return CONTAINED
    if harm == LOST and back is None and played.server_status is not None:
        return ENDED
    outage = ", and service does not come back" if back is None else f", for {seconds(back)}" if seconds(back) else ""
    return EFFECTS[harm].format(SCOPES[one.verdict.radius]) + outage
