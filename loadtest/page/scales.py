"""From values to places on an axis, and the few values that are written beside it. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.document.document import Axis, Plot, Scale
from loadtest.page.looks import cell_width, drawn, is_outlined, label

TICKS = 5  # about so many
MEASURED = 8  # so many different values are all written; of more, round ones are
DECADES = 100  # a wider logarithmic axis has powers of ten alone
NARROW = 5  # and one that is not even so wide the ticks of a linear one
SHARES = (0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)
NICE = (1, 2, 5, 10)


def title(axis: Axis) -> str:
    return f"{axis.title} ({axis.unit})" if axis.unit and axis.title else axis.title or axis.unit


def described(axis: Axis, along: "Ruler") -> str:
    """Beside the axis itself: with what makes a length on it mislead."""
    if axis.scale == Scale.log:
        return f"{title(axis)}, log"
    begins = axis.scale == Scale.linear and along.low > 0
    return f"{title(axis)}, axis begins at {written(along.low)}" if begins else title(axis)


def values(plot: Plot) -> list[float]:
    """All that the y axis has to show."""
    numbers = [number for mark in drawn(plot) for number in (mark.low, mark.y, mark.high)]
    return [number for number in (*numbers, plot.reference) if number is not None]


def totals(plot: Plot) -> list[float]:
    """Where bars end, and what else their axis has to show."""
    stacks: dict[str, float] = {}
    for mark in drawn(plot):
        if not is_outlined(mark.part):
            stacks[label(mark)] = stacks.get(label(mark), 0) + (mark.y or 0)
    return [*values(plot), *stacks.values()]


def coordinate(scale: Scale, value: float) -> float | None:
    """Where a linear or logarithmic axis has it. None: nowhere, as zero on a logarithmic one."""
    if scale == Scale.tail:
        return 1 / (1 - value) if 0 <= value < 1 else None
    return value if scale == Scale.linear or value > 0 else None


@dataclass(frozen=True)
class Ruler:
    """Of coordinates."""

    scale: Scale
    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, at: float) -> float:
        """0 to 1; what is beyond an end is at that end."""
        low, high, at = (self._even(one) for one in (self.low, self.high, at))
        return min(1, max(0, (at - low) / (high - low)))

    def _even(self, at: float) -> float:
        if self.scale == Scale.linear:
            return at
        return math.log10(max(at, self.low))

    def label(self, tick: float) -> str:
        return f"{written(100 * (1 - 1 / tick))} %" if self.scale == Scale.tail else written(tick)


def written(value: float) -> str:
    """Without zeros at its end: 60,000 and 0.25."""
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return text if float(text.replace(",", "")) or not value else f"{value:.1g}"


def ruler(scale: Scale, values: Iterable[float], zero: bool = False) -> Ruler:
    """Ends at round values. `zero`: a linear one begins there, because lengths are compared."""
    there = [at for value in values if (at := coordinate(scale, value)) is not None] or [1.0]
    low, high = min(there), max(there)
    if scale == Scale.linear:
        return _linear(min(0.0, low) if zero else low, max(0.0, high) if zero else high)
    return _tail(high) if scale == Scale.tail else _logarithmic(low, high)


def measured(scale: Scale, values: Sequence[float]) -> Ruler:
    """Ends at the lowest and the highest value, and has each of few as its tick."""
    there = sorted({at for value in values if (at := coordinate(scale, value)) is not None})
    if scale == Scale.tail or len(there) < 2:
        return ruler(scale, values)
    if len(there) <= MEASURED:
        return Ruler(scale, there[0], there[-1], tuple(there))
    ticks = tuple(tick for tick in ruler(scale, there).ticks if there[0] <= tick <= there[-1])
    return Ruler(scale, there[0], there[-1], ticks)


def cells(plot: Plot) -> Ruler:
    """Of strips: from the start of the first cell to the end of the last."""
    starts = [float(mark.x) for mark in plot.marks] or [0.0]
    low, high = min(starts), max(starts) + cell_width(plot)
    return Ruler(Scale.linear, low, high, tuple(tick for tick in _linear(low, high).ticks if low <= tick <= high))


def _linear(low: float, high: float) -> Ruler:
    if low == high:
        low, high = (low - 1, high + 1) if low else (0.0, 1.0)
    step = _step((high - low) / TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 12) for number in range(first, last + 1))
    return Ruler(Scale.linear, ticks[0], ticks[-1], ticks)


def _step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20 and so on."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(nice * power for nice in NICE if nice * power >= least * (1 - 1e-9))


def _logarithmic(low: float, high: float) -> Ruler:
    if high / low < NARROW and (even := _linear(low, high)).low > 0:
        return Ruler(Scale.log, even.low, even.high, even.ticks)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [float(f"{nice}e{power}") for power in powers for nice in NICE[:3]]
    first = max(one for one in steps if one <= low)
    last = min(one for one in steps if one >= high and one > first)
    ticks = [one for one in steps if first <= one <= last]
    return Ruler(Scale.log, first, last, tuple(_powers(ticks) if last / first > DECADES else ticks))


def _powers(ticks: Sequence[float]) -> list[float]:
    return [one for one in ticks if round(math.log10(one), 9).is_integer()]


def _tail(high: float) -> Ruler:
    """To the next share that is written, where it is beyond the highest."""
    ticks = [round(1 / (1 - share), 6) for share in SHARES]
    last = next((tick for tick in ticks[1:] if tick >= high * (1 - 1e-9)), high)
    return Ruler(Scale.tail, 1.0, last, tuple(tick for tick in ticks if tick <= last))
