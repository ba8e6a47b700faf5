"""Takes the walk of one request in every contestant, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import Failure
from loadtest.places import launch
from loadtest.places.local import LocalServer
from loadtest.places.place import Place
from loadtest.system.errors import MeasurementError
from loadtest.verbs.walk import walk
from loadtest.verbs.walk.results import WalkResults, WalkSettings
from loadtest.verbs.walk.sequence import Walk

WORKERS = 4  # of the pools: some that wait belong to the picture, and strace has to follow each
SECONDS = 4.5  # that one takes, about


def execute(
    results: WalkResults,
    place: Place,
    directory: Path,
    save: Callable[[], None],
    progress: Callable[[int, str], None],
) -> None:
    """Those that are not there yet; one that fails does not stop the others."""
    done = {one.contestant for one in results.walks}
    todo = [one for one in results.settings.contestants if one.name not in done]
    for index, contestant in enumerate(todo):
        progress(index, f"walk: {contestant.name}")
        try:
            results.walks += _take(results.settings, place, contestant, directory)
        except MeasurementError as error:
            results.failures.append(Failure(contestant.name, "walk", str(error)))
        save()


def _take(settings: WalkSettings, place: Place, contestant: Contestant, directory: Path) -> list[Walk]:
    started = launch.start(place, contestant, directory, settings.cpus, workers=WORKERS, connections=WORKERS)
    with started as server:
        assert isinstance(server, LocalServer)  # the command line sees to it
        walks = walk.take(contestant.name, server.pid, server.address, settings.path)
        server.stop()
    return walks
