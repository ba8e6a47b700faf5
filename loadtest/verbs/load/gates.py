"""What latency must stay below, or the run fails. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.engine.metrics import LATENCIES
from loadtest.engine.run import Part
from loadtest.verbs.load.metrics import BY_NAME
from loadtest.verbs.load.plan import Gate
from loadtest.verbs.load.series import Series, gather


@dataclass(frozen=True)
class Breach:
    series: Series
    gate: Gate
    milliseconds: float | None  # None: there is no valid figure, which is no pass

    @property
    def sentence(self) -> str:
        limit = f"{name_of(self.gate.quantile)} < {self.gate.milliseconds:g} ms"
        seen = "it has no valid figure" if self.milliseconds is None else f"it is {self.milliseconds:.3g} ms"
        return f"GATE {self.series.cell}: {limit} is not met, {seen}."


def parse(text: str) -> Gate:
    """From "p99=5ms" or "p99.9=100ms". Raises ValueError."""
    found = re.fullmatch(r"(p50|p90|p99|p99\.9|max|mean)=([0-9]+(?:\.[0-9]+)?)(ms|s|us)", text)
    if not found:
        raise ValueError(f"--slo {text}: expected a quantile and a time, such as p99=5ms or max=1s")
    factor = {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[3]]
    return Gate(found[1].replace("99.9", "999"), float(found[2]) * factor)


def name_of(quantile: str) -> str:
    assert quantile in LATENCIES
    return quantile.replace("p999", "p99.9")


def breaches(part: Part) -> list[Breach]:
    everybody = [one for series in gather(part).values() for one in series]
    return [breach for one in everybody for breach in _breaches(part, one)]


def _breaches(part: Part, one: Series) -> list[Breach]:
    """The median of the rounds is what counts: a gate is about the server, not about the worst second of a noisy
    machine."""
    found = [(gate, one.middle(BY_NAME[f"latency {gate.quantile}"])) for gate in part.settings.gates]
    return [Breach(one, gate, value) for gate, value in found if value is None or value >= gate.milliseconds]


def sentences(part: Part, series: Sequence[Series]) -> list[str]:
    return [breach.sentence for one in series for breach in _breaches(part, one)]
