"""This machine, and what goes wrong while something is measured on it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the repository


class MeasurementError(Exception):
    """A step gives no result; one sentence says why."""
