"""A script as figures: everybody's whole time, fault by fault, and which fault harmed how many. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from loadtest.document.document import Axis, Mark, Plot, Shape
from loadtest.document.figures import DASH, listed, plural
from loadtest.engine.run import Part
from loadtest.verbs.crash.notation import FOR_EVER, short
from loadtest.verbs.crash.plan import SLOT
from loadtest.verbs.crash.plots import HOW_MATRIX, HOW_STRIPS, commands, left_out, note, row_of, width
from loadtest.verbs.crash.results import HARMS
from loadtest.verbs.crash.script.results import Effect, Played
from loadtest.verbs.crash.script.schedule import Script

Tries = Mapping[str, Sequence[Played]]  # by the name that is shown
FAULTS = "faults"  # the row that tells when they come


def timelines(part: Part, tries: Tries) -> list[Plot]:
    """None where nobody has a valid try."""
    return [timeline(part, tries)] if _firsts(tries) else []


def matrices(part: Part, tries: Tries) -> list[Plot]:
    """None where nobody has a valid try."""
    return [matrix(part, tries)] if _firsts(tries) else []


def _firsts(tries: Tries) -> dict[str, Played]:
    valid = {name: [one for one in theirs if not one.problems][:1] for name, theirs in tries.items()}
    return {name: one for name, found in valid.items() for one in found}


def _absent(tries: Tries) -> str:
    firsts = _firsts(tries)
    return left_out([name for name in tries if name not in firsts])


def timeline(part: Part, tries: Tries) -> Plot:
    """Of each contestant its first valid try, below the faults."""
    script: Script = part.settings.script
    firsts = _firsts(tries)
    slots = max(len(one.strip) for one in firsts.values())
    cell = width(slots) * SLOT
    marks = [*_moments(script, cell), *(mark for name, one in firsts.items() for mark in row_of(name, one.strip))]
    told = listed([f"{n}: {blow.fault.name} at {blow.at:g} s" for n, blow in enumerate(script.blows, start=1)])
    return Plot(
        id="script-strip",
        title="What happened to the others, and when",
        caption=(
            f"{HOW_STRIPS.format(cell=round(cell * 1000))} The first row has the faults: {told}; the line is the first "
            f"of them. Harm just before a fault: requests that were still in hand when it came.{_absent(tries)}"
        ),
        shape=Shape.strips,
        x=Axis("time after the start of the load", "s"),
        y=Axis("server"),
        marks=marks,
        reference=script.blows[0].at,
        commands=_example(part, firsts),
    )


def _moments(script: Script, cell: float) -> Iterator[Mark]:
    """In the cells that they fall into."""
    for number, blow in enumerate(script.blows, start=1):
        yield Mark(FAULTS, round(int(blow.at / cell + 1e-6) * cell, 3), part="fault", note=str(number))


def _example(part: Part, firsts: Mapping[str, Played]) -> list[str]:
    one = next(iter(firsts.values()))
    return commands(part, one.step, one.server_command)


def matrix(part: Part, tries: Tries) -> Plot:
    script: Script = part.settings.script
    rows = [f"{blow.at:g} s {blow.fault.name}" for blow in script.blows]
    marks = [_cell(row, name, index, theirs) for index, row in enumerate(rows) for name, theirs in tries.items()]
    return Plot(
        id="script-seen",
        title="Whom each fault of the script harmed",
        caption=f"{agreement(tries)} {HOW_MATRIX} {_more(_firsts(tries))}",
        shape=Shape.matrix,
        x=Axis("server"),
        y=Axis("fault"),
        marks=marks,
        commands=_example(part, _firsts(tries)),
    )


def _more(firsts: Mapping[str, Played]) -> str:
    told = (
        f"A number is the outage: seconds until service was back; {FOR_EVER}: it was not back before the next fault, "
        "or the end."
    )
    if any(effect.already_down for one in firsts.values() for effect in one.effects):
        told += " In parentheses: service was not back from the fault before, so that the harm may be its work."
    return told


def agreement(tries: Tries) -> str:
    """Of the first fault alone something is expected."""
    judged = [one for theirs in tries.values() for one in theirs if not one.problems and one.effects[0].expected]
    if not judged:
        return "The catalogue expects nothing of these servers."
    fine = sum(not one.surprising for one in judged)
    told = f"{fine} of {plural(len(judged), 'server')} met the first fault as the catalogue expects"
    strange = "" if fine == len(judged) else ", in the others what is expected stands behind !="
    return f"{told}{strange}; of later faults it expects nothing."


def _cell(row: str, name: str, index: int, tries: Sequence[Played]) -> Mark:
    """Of several tries the worst harm, and the longest outage."""
    effects = [one.effects[index] for one in tries if not one.problems]
    if not effects:
        return Mark(row, name, note=DASH)
    worst = max((one.verdict.harm for one in effects), key=HARMS.index)
    outage, strange = max(one.recovery.outage for one in effects), [one for one in effects if one.surprising]
    told = note([verdict(one) for one in effects], outage, strange[0].expected if strange else ())
    return Mark(row, name, part=worst, note=told)


def verdict(one: Effect) -> str:
    """In parentheses where an earlier fault may have done the harm."""
    told = short(str(one.verdict))
    return f"({told})" if one.already_down else told


def harmed(part: Part, tries: Tries) -> Plot | None:
    """The share of the others' requests, by the fault that harmed them. None where nobody was harmed."""
    firsts = {name: one for name, one in _firsts(tries).items() if one.asked}
    names = [f"{blow.at:g} s {blow.fault.name}" for blow in part.settings.script.blows]
    marks = [mark for name, one in firsts.items() for mark in _shares(name, one, names)]
    if not any(mark.y for mark in marks):
        return None
    return Plot(
        id="script-harmed-share",
        title="How many of the others' requests each fault harmed",
        caption=(
            "Of all requests of the other clients, from the start to the end, the share that each fault harmed. "
            f"A request belongs to the last fault before it was answered, ended, or late.{_absent(tries)}"
        ),
        shape=Shape.bars,
        x=Axis("server"),
        y=Axis("harmed requests of the others", "%"),
        marks=marks,
        commands=_example(part, firsts),
    )


def _shares(name: str, one: Played, names: Sequence[str]) -> Iterator[Mark]:
    for fault, effect in zip(names, one.effects, strict=True):
        count = sum(effect.others.harmed.values())
        yield Mark(name, y=round(100 * count / one.asked, 2), part=fault, note=f"{count} of {one.asked} requests")
