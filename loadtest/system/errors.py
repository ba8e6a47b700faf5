"""What goes wrong while something is measured."""


class MeasurementError(Exception):
    """A step gives no result; one sentence says why."""
