"""The main job's loads by what they are for, whatever their order in its folder. Pure."""

from loadtest.engine.run import Part, Run


def equal_rate(run: Run) -> list[Part]:
    return [part for part in _loads(run) if part.settings.rates]


def full_load(run: Run) -> list[Part]:
    """Of all models: /plaintext, and a handler's work."""
    return [part for part in _loads(run) if not part.settings.rates and not _heavy(part)]


def ballasted(run: Run) -> list[Part]:
    return [part for part in _loads(run) if _heavy(part)]


def _loads(run: Run) -> list[Part]:
    return [part for part in run.parts if part.measurement == "load"]


def _heavy(part: Part) -> bool:
    return any(one.ballast for one in part.settings.contestants)
