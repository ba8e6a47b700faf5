"""What ends a measurement."""


class MeasurementError(Exception):
    """A step gives no result; one sentence says why."""
