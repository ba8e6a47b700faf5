"""cells.csv: the numbers of a run as tidy data, a line for each value. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from loadtest.engine.verb import Value

COLUMNS = (
    *("verb", "contestant", "kind", "model", "workload", "connections", "keep_alive", "pipeline", "cpus", "rate"),
    *("round", "valid", "metric", "value", "unit"),
)


def csv_text(verb: str, values: Iterable[Value]) -> str:
    """Without values the head alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(verb, value) for value in values)
    return text.getvalue()


def _row(verb: str, value: Value) -> dict[str, Any]:
    return {
        **vars(value),
        "verb": verb,
        "keep_alive": int(value.keep_alive),
        "rate": "" if value.rate is None else f"{value.rate:g}",
        "valid": int(value.valid),
        "value": repr(value.value),
    }
