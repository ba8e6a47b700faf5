"""What goes wrong while something is measured."""

from __future__ import annotations


class MeasurementError(Exception):
    """A step gives no result; one sentence says why."""
