"""What a run is doing now, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.system import output


@dataclass
class Progress:
    """What runs now, and how long it will go on; on stderr, one line of a terminal or one for each group of steps."""

    seconds: Sequence[float]  # of each step, as planned
    _started: float = field(default_factory=time.monotonic)
    _group: str = ""

    def show(self, index: int, text: str) -> None:
        """Before a step, described as "group: which"."""
        left = self._left(index)
        position = f"[{index + 1}/{len(self.seconds)}]"
        if sys.stderr.isatty():
            output.tell(f"\r\x1b[K{position} {text}, {left} left"[:200], end="")
            return
        group = text.partition(":")[0]
        if group != self._group:
            output.tell(f"{position} {group}, {left} left")
        self._group = group

    def _left(self, index: int) -> str:
        """As planned, corrected by how long the steps before took."""
        planned = sum(self.seconds[:index])
        pace = (time.monotonic() - self._started) / planned if index >= 3 else 1
        left = round(pace * sum(self.seconds[index:]))
        return f"{left // 60}:{left % 60:02}"
