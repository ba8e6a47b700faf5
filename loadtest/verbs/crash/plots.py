"""Faults as figures: what happened when, whom each fault harmed, what was expected, and how many were harmed. Pure.

What is invalid is in no figure but as a dash."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.clients.pace import OUTCOMES
from loadtest.document.document import Axis, Mark, Plot, Shape
from loadtest.document.figures import DASH, listed, plural
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.run import Part
from loadtest.places.launch import EXAMPLE
from loadtest.verbs.crash.catalogue import Fault
from loadtest.verbs.crash.cells import Cell, cells, columns, tried_faults
from loadtest.verbs.crash.notation import FOR_EVER, INAPPLICABLE, SYMPTOMS, each, either, seconds, section_of
from loadtest.verbs.crash.plan import SLOT
from loadtest.verbs.crash.results import DELAYED, HARMS, LOST, NONE, STARVED, WRONG, Crash

KINDS = {".": NONE, "d": DELAYED, "l": LOST, "w": WRONG, "s": STARVED}  # of a letter of a strip
MOST_CELLS = 240  # of a row: a longer strip has longer cells
SYMPTOM_ORDER = (DELAYED, *OUTCOMES, "not sent")

HOW_STRIPS = (
    "A row is a server, a cell is {cell} ms, and its letter says what happened to the other clients' requests that "
    "were due in it. A dot: all were answered in time. d, l, w, s: some were delayed, lost, answered wrongly, starved "
    "(never answered); the worst counts. A capital letter: at least half of them. No cell: none was due."
)
BEFORE = "Harm in a cell just before the fault: requests that were due then and still in hand when it came."
HOW_MATRIX = (
    "A row is a fault, a column is a server. The first word is the radius, the smallest scope that holds everyone who "
    "was harmed; the second word, and the colour, is the worst harm to somebody else. No second word: there was none."
)
OUTAGE = f"A number is the outage: seconds until service was back; {FOR_EVER}: it was not back while it was watched."


# --- over time


def letters(strip: str, first: float = 0.0) -> Iterator[tuple[float, str]]:
    """Each cell that is not blank: when it begins, in seconds, and its letter. `first` is the begin of the strip."""
    wide = width(len(strip))
    for start in range(0, len(strip), wide):
        worst = max(strip[start : start + wide], key=_badness)
        if worst in KINDS or worst.lower() in KINDS:
            yield round(first + start * SLOT, 3), worst


def width(slots: int) -> int:
    """Slots of a cell, where a strip has so many of them."""
    return max(1, -(-slots // MOST_CELLS))


def _badness(letter: str) -> tuple[int, bool]:
    """Blank is the least; of the same harm that of many is worse."""
    kind = KINDS.get(letter.lower())
    return (-1 if kind is None else HARMS.index(kind), letter.isupper())


def row_of(name: str, strip: str, first: float = 0.0) -> Iterator[Mark]:
    for x, letter in letters(strip, first):
        yield Mark(name, x, part=KINDS[letter.lower()], note=letter)


def timelines(part: Part, faults: Sequence[Fault]) -> dict[Fault, Plot]:
    """One below another: the first one tells how all are read. Without those that nobody has a valid try of."""
    found: dict[Fault, Plot] = {}
    for fault in faults:
        if plot := timeline(part, fault, next(iter(found), None)):
            found[fault] = plot
    return found


def timeline(part: Part, fault: Fault, above: Fault | None = None) -> Plot | None:
    """Of each contestant its first valid try. None where nobody has one. `above` is one whose strips tell already how
    all are read."""
    planned = [cell for cell in in_columns(part) if cell.fault == fault]
    tried = [cell for cell in planned if cell.valid]
    if not tried:
        return None
    firsts = {cell.name: cell.valid[0] for cell in tried}
    marks = [mark for name, one in firsts.items() for mark in row_of(name, one.strip, _start(one))]
    tries = "" if part.settings.repeats == 1 else " Of several tries the first valid one is shown."
    how = f"{HOW_STRIPS.format(cell=round(SLOT * 1000))} The line at 0 is the fault. {BEFORE}{tries}"
    absent = left_out([cell.name for cell in planned if cell.tries and not cell.valid])
    return Plot(
        id=f"{section_of(part.settings, fault)}-strip",
        title=f"{fault.name}: what happened to the others, and when",
        caption=(f"Read as the strips of {above.name} above." if above else how) + absent,
        shape=Shape.strips,
        x=Axis("time after the fault", "s"),
        y=Axis("server"),
        marks=marks,
        reference=0.0,
        commands=_example_of(part, tried),
    )


def left_out(names: Sequence[str]) -> str:
    return f" Left out, for want of a valid try: {listed(names)}." if names else ""


def _start(one: Crash) -> float:
    """Of the strip, in seconds after the fault, to the slot: so that the fault is at the same place in every row."""
    return -int(one.fault_at / SLOT + 1e-6) * SLOT


def in_columns(part: Part) -> list[Cell]:
    """Contestants in the order in which tables show them."""
    everything = cells(part)
    order = list(columns(everything, part))
    return sorted(everything, key=lambda cell: order.index(cell.name))


def commands(part: Part, step: Any, server_command: str) -> list[str]:
    """An example of a server's and its clients', which fit together."""
    listening = server_command.replace("--listen 127.0.0.1:0", f"--listen {EXAMPLE}")
    asking = MEASUREMENTS[part.measurement].load(EXAMPLE, part.settings, step)
    return [listening, *map(shlex.join, asking)]


# --- whom it harmed


@dataclass(frozen=True)
class Chosen:
    """Which cells stand in a matrix."""

    sanitizer: str | None = ""  # of the servers; None: of any build
    fault: Fault | None = None  # None: all that were tried


EVERY = Chosen()


def side_by_side(part: Part, name: str, chosen: Chosen = EVERY) -> list[Plot]:
    """What was seen and what is expected. `name` begins the ids."""
    return list(filter(None, [matrix(part, name, chosen), expected(part, name, chosen)]))


def matrix(part: Part, name: str, chosen: Chosen = EVERY) -> Plot | None:
    """What was seen: a cell for each fault and contestant. None where nothing was tried."""
    shown = _shown(part, chosen)
    tried = [one for one in shown if isinstance(one, Cell)]
    if not tried:
        return None
    outage = f" {OUTAGE}" if any(one.valid and one.outage > 0 for one in tried) else ""
    return Plot(
        id=f"{name}-seen",
        title="Whom each fault harmed, as it was seen",
        caption=f"{agreement(part, tried)} {HOW_MATRIX}{outage}",
        shape=Shape.matrix,
        x=Axis("server"),
        y=Axis("fault"),
        marks=[_seen(one) if isinstance(one, Cell) else _nothing(*one) for one in shown],
        commands=_example_of(part, tried),
    )


def expected(part: Part, name: str, chosen: Chosen = EVERY) -> Plot | None:
    """What the catalogue expects, in the same places. None where it expects nothing."""
    shown = _shown(part, chosen)
    marks = [_foreseen(part, one) if isinstance(one, Cell) else _nothing(*one) for one in shown]
    known = [mark for mark in marks if mark]
    if not any(mark.part for mark in known):
        return None
    return Plot(
        id=f"{name}-expected",
        title="Whom each fault harms, as it is expected",
        caption=(
            "What the catalogue of faults says of each server before anything is measured, in the words and at the "
            "places of the figure above it. Where chance decides, any of several is expected, and the colour is that "
            "of the worst. No cell: the catalogue says nothing of a server that is given a parent, nor of parameters "
            "that it does not have."
        ),
        shape=Shape.matrix,
        x=Axis("server"),
        y=Axis("fault"),
        marks=known,
    )


def _shown(part: Part, chosen: Chosen) -> list[Cell | tuple[str, str]]:
    """Fault by fault in columns' order: what was planned; or else the names of a fault and of who cannot have it."""
    planned = [cell for cell in cells(part) if chosen.sanitizer in (None, cell.step.sanitizer)]
    across, found = columns(planned, part), {(cell.fault, cell.name): cell for cell in planned}
    shown: list[Cell | tuple[str, str]] = []
    for fault in [chosen.fault] if chosen.fault else tried_faults(part, chosen.sanitizer):
        for name, contestant in across.items():
            if cell := found.get((fault, name)):
                shown.append(cell)
            elif not fault.applies_to(contestant):
                shown.append((fault.name, name))
    return shown


def _nothing(fault: str, name: str) -> Mark:
    return Mark(fault, name, note=INAPPLICABLE)


def _seen(cell: Cell) -> Mark:
    """Of several tries the worst harm, and how many had each verdict."""
    if not cell.valid:
        return Mark(cell.fault.name, cell.name, note=DASH)
    worst = max((one.verdict.harm for one in cell.valid), key=HARMS.index)
    strange = cell.surprising[0].expected if cell.surprising else ()
    return Mark(cell.fault.name, cell.name, part=worst, note=note(cell.verdicts, cell.outage, strange))


def note(verdicts: Sequence[str], outage: float, unlike: Sequence[str]) -> str:
    """Line by line, as in the tables: what was seen, for how long, and behind != what was expected instead."""
    lines = [*each(verdicts), seconds(outage), f"!= {either(unlike)}" if unlike else ""]
    return "\n".join(filter(None, lines))


def _foreseen(part: Part, cell: Cell) -> Mark | None:
    verdicts = part.settings.expected(cell.step)
    if not verdicts:
        return None
    worst = max((verdict.split()[1] for verdict in verdicts), key=HARMS.index)
    return Mark(cell.fault.name, cell.name, part=worst, note=either(verdicts).replace(" or ", " or\n"))


def agreement(part: Part, tried: Sequence[Cell]) -> str:
    """ "264 of 264 cells are as the catalogue expects." And what is not counted in it."""
    valid = [cell for cell in tried if cell.valid]
    judged = [cell for cell in valid if part.settings.expected(cell.step)]
    strange = sum(bool(cell.surprising) for cell in judged)
    told = [f"{len(judged) - strange} of {plural(len(judged), 'cell')} are as the catalogue expects."] if judged else []
    if strange:
        told.append(f"{plural(strange, 'cell')} with a border and !=: what is expected stands behind it.")
    if unjudged := len(valid) - len(judged):
        told.append(f"Of {plural(unjudged, 'other')} nothing is expected.")
    if invalid := len(tried) - len(valid):
        told.append(f"{plural(invalid, 'cell')} with {DASH}: no try was valid.")
    return " ".join(told)


def _example_of(part: Part, tried: Sequence[Cell]) -> list[str]:
    first = next((cell for cell in tried if cell.valid), None)
    return commands(part, first.step, first.valid[0].server_command) if first else []


# --- how many


def harmed(part: Part, fault: Fault) -> Plot | None:
    """The share of the others' requests, by symptom, over all valid tries. None where nobody was harmed."""
    planned = [cell for cell in in_columns(part) if cell.fault == fault]
    tried = {cell.name: cell for cell in planned if cell.valid}
    counted = {name: _symptoms(cell.valid) for name, cell in tried.items()}
    kinds = [one for one in SYMPTOM_ORDER if any(one in found for found in counted.values())]
    if not kinds:
        return None
    absent = left_out([cell.name for cell in planned if cell.tries and not cell.valid])
    marks = [mark for name, cell in tried.items() for mark in _shares(name, cell.valid, counted[name], kinds)]
    return Plot(
        id=f"{section_of(part.settings, fault)}-harmed-share",
        title=f"How many of the others' requests {fault.name} harmed",
        caption=(
            "Of the other clients' requests that were in hand at the fault or due after it, the share that was harmed, "
            f"by what became of them; no bar: none.{absent}"
        ),
        shape=Shape.bars,
        x=Axis("server"),
        y=Axis("harmed requests of the others", "%"),
        marks=marks,
        commands=_example_of(part, [*tried.values()]),
    )


def _symptoms(valid: Sequence[Crash]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in valid:
        for symptom, count in one.others.harmed.items():
            found[symptom] = found.get(symptom, 0) + count
    return found


def _shares(name: str, valid: Sequence[Crash], found: dict[str, int], kinds: Sequence[str]) -> Iterator[Mark]:
    asked = sum(one.others.asked for one in valid)
    for kind in kinds if asked else ():
        if found.get(kind) or (not found and kind == kinds[0]):
            count = found.get(kind, 0)
            share = round(100 * count / asked, 2)
            yield Mark(name, y=share, part=SYMPTOMS.get(kind, kind), note=f"{count} of {asked} requests")
