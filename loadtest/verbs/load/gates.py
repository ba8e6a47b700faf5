"""What latency must stay below, or the run fails. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from loadtest.verbs.load.plan import Gate
from loadtest.verbs.load.series import Series

MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


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
    return Gate(found[1].replace("99.9", "999"), float(found[2]) * MILLISECONDS[found[3]])


def name_of(quantile: str) -> str:
    return quantile.replace("p999", "p99.9")


def breaches(series: Iterable[Series]) -> list[Breach]:
    """The median of the rounds is what counts: a gate is about the server, not about the worst second of a noisy
    machine."""
    found = [Breach(one, gate, one.middle(f"latency {gate.quantile}")) for one in series for gate in one.settings.gates]
    return [one for one in found if one.milliseconds is None or one.milliseconds >= one.gate.milliseconds]
