"""How long a request waits for one server, by queueing theory: M/G/1, in Kendall's notation, where requests come at
random times (Poisson) and are served for any times. Pure. Times are in seconds.

Whoever decides who is next without knowing how long anybody takes, and never interrupts, gives the same mean wait: that
of first come, first served. It grows with the second moment of the service times, so that a few long requests make
everybody wait. Whoever interrupts can do better for the short ones: when the CPU is shared equally (processor sharing),
or given to the youngest (preemptive LCFS), a request takes in proportion to its own size, whatever the others' sizes.
(L. Kleinrock, Queueing Systems, 1975 and 1976; M. Harchol-Balter, Performance Modeling and Design of Computer Systems,
2013.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """Requests of one kind."""

    rate: float  # a second
    mean: float  # seconds that each is served
    second_moment: float  # of the same; seconds squared

    @classmethod
    def constant(cls, rate: float, seconds: float) -> "Stream":
        """All of them take equally long."""
        return cls(rate, seconds, seconds**2)


def load(streams: Sequence[Stream]) -> float:
    """The share of its time that the server works; from 1 on its queue grows for ever."""
    return sum(one.rate * one.mean for one in streams)


def waiting(streams: Sequence[Stream]) -> float:
    """Seconds that a request waits on average, whoever it is, first come, first served (Pollaczek and Khinchine)."""
    busy = load(streams)
    if busy >= 1:
        return math.inf
    return sum(one.rate * one.second_moment for one in streams) / (2 * (1 - busy))


def in_order(streams: Sequence[Stream], seconds: float) -> float:
    """That a request of that size takes on average, first come, first served."""
    return waiting(streams) + seconds


def shared(streams: Sequence[Stream], seconds: float) -> float:
    """The same where the server is shared equally, or where the youngest interrupts all others."""
    busy = load(streams)
    return math.inf if busy >= 1 else seconds / (1 - busy)
