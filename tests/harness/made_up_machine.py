"""A machine that is made up, so that the truth about its servers is known: what does the arithmetic make of it?

It slows down while it gets hot, somebody steals from it in bursts, and each step scatters by itself, now and then
widely. All of that multiplies the speed of whoever is measured at that moment. So what a server gets depends on when it
has its turn, and that is what the order of the steps is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.verbs.load.plan import order

Values = dict[str, dict[int, float]]  # by name and round


@dataclass(frozen=True)
class Machine:
    """All on the logarithmic scale, where 0.1 is about 10 %."""

    noise: float = 0.01  # of each step: this times Student's t with 3 degrees of freedom, which has heavy tails
    heat: float = 0.0  # how much slower the last step is than the first
    bursts: float = 0.0  # the share of bursts, of `burst` steps each, in which somebody steals
    burst: int = 3
    stolen: float = 0.3  # while somebody does

    def speeds(self, steps: int, random: np.random.Generator) -> np.ndarray:
        """Of consecutive steps, beside 1."""
        noise = self.noise * random.standard_t(3, steps)
        heat = self.heat * np.linspace(0, 1, steps)
        stolen = self.stolen * np.repeat(random.random(steps // self.burst + 1) < self.bursts, self.burst)[:steps]
        return np.exp(noise - heat - stolen)

    def measure(
        self, truth: Mapping[str, float], rounds: Sequence[Sequence[str]], random: np.random.Generator, limit=np.inf
    ) -> Values:
        """Requests a second of servers whose true speeds are known, in the order of each round's names. No client
        drives a server beyond the limit."""
        speeds = iter(self.speeds(sum(map(len, rounds)), random))
        found: Values = {name: {} for name in truth}
        for number, names in enumerate(rounds, start=1):
            for name in names:
                found[name][number] = min(truth[name] * float(next(speeds)), limit)
        return found


def shuffled(truth: Mapping[str, float], rounds: int, random: np.random.Generator) -> list[list[str]]:
    """As the verbs do it."""
    return order(list(truth), rounds, seed=int(random.integers(2**31)))


def fixed(truth: Mapping[str, float], rounds: int) -> list[list[str]]:
    return [list(truth)] * rounds
