"""The table of who is served in a crowd. Pure."""

from __future__ import annotations

from loadtest.document.document import Section, table
from loadtest.document.figures import DASH, milliseconds, share
from loadtest.engine.run import Part
from loadtest.verbs.crowd.measure import Crowd
from loadtest.verbs.crowd.plan import CrowdSettings


def section(part: Part) -> Section | None:
    """None: nothing has been measured yet."""
    if not part.results:
        return None
    settings: CrowdSettings = part.settings
    filled = table("", "workers", "clients served", "newcomers answered", "median wait ms")
    for one in part.results:
        rotation = f", rotation every {one.step.rotation}" if one.step.rotation else ""
        filled.add_row(one.step.contestant + rotation, *([DASH] * 4 if one.problems else _columns(one, settings)))
    notes = [
        f"{settings.clients} keep-alive clients ask for {settings.path} over and over, for {settings.seconds:g} s; "
        "served is who got an answer at all. One run each.",
        f"rotation: --max-requests-per-connection {settings.rotation}, so that a pool's worker turns to the next "
        "client; otherwise the default of 1000. The other models have no bound that matters here.",
    ]
    return Section(f"Who is served when {settings.clients} clients come at once?", filled, notes)


def _columns(one: Crowd, settings: CrowdSettings) -> list[str]:
    newcomers, waits = one.newcomers, one.newcomers.waits
    return [
        str(one.workers) if one.workers else DASH,
        share(one.clients_served, settings.clients),
        share(newcomers.served, newcomers.asked),
        milliseconds(waits.p50 / 1e6) if waits else DASH,
    ]
