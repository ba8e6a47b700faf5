"""Pages of made-up runs: of each kind that a user may meet."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import samples

from loadtest.engine import folder, report
from loadtest.engine.pages import LIBRARIES
from loadtest.engine.run import Failure, Run
from loadtest.page import page
from loadtest.system.cpus import Disturbance

HOSTILE = "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>\"&{{ 7 * 7 }}"


def complete() -> Run:
    return samples.tour()


def interrupted() -> Run:
    """After the first round; its later parts have nothing."""
    found = samples.tour(state="interrupted")
    for part in found.parts:
        part.results = [one for one in part.results if one.step.round == 1 and part.measurement == "load"]
    return found


def nothing() -> Run:
    found = samples.tour(state="interrupted")
    for part in found.parts:
        part.results = []
    return found


def invalid() -> Run:
    """Some cells have no number, others were disturbed, and one server did not start."""
    found = samples.tour(failures=[Failure("threads", "round 1, a crowd: threads", "it did not start")])
    for one in found.results:
        if one.step.contestant == "epoll":
            one.problems = ["the schedule was not kept: 3 ms late"]
        if one.step.contestant == "prefork" and one.disturbance:
            one.disturbance, one.repeats = Disturbance(0, 0.25, 0), 1
    return found


def one_model() -> Run:
    return samples.tour(replace(samples.TOUR, contestants=samples.TOUR.contestants[-1:]))


def docker() -> Run:
    found = samples.tour()
    return replace(found, environment=replace(found.environment, runner="docker", place="each server in a container"))


def throughput() -> Run:
    """Several numbers of connections, and rates."""
    return samples.trial_run(samples.settings(rounds=6, connections=(1, 16, 64), rates=(500.0, 1000.0, 2000.0)))


def hostile() -> Run:
    """Strings that came from outside are text, whatever is in them: names, paths, what servers and programs said."""
    found = samples.tour(failures=[Failure("threads", HOSTILE, HOSTILE)])
    for number, one in enumerate(found.results):
        one.server_command = shlex.join(["quartet-epoll", HOSTILE])
        one.problems = [HOSTILE] if number % 7 == 0 else []
    told = dict.fromkeys(("cpu_model", "kernel", "system", "commit"), HOSTILE)
    found.environment = replace(
        found.environment, **told, versions={HOSTILE: HOSTILE}, command=shlex.join(["loadtest/run", HOSTILE])
    )
    return renamed(found, "epoll", HOSTILE)


def renamed(run: Run, name: str, other: str) -> Run:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "results.json"
        path.write_text(folder.to_json(run).replace(json.dumps(name), json.dumps(other)), encoding="utf-8")
        return folder.load(path)


def schedulers() -> Run:
    return samples.policies()


RUNS: dict[str, Callable[[], Run]] = {
    one.__name__: one
    for one in (complete, interrupted, nothing, invalid, one_model, docker, throughput, schedulers, hostile)
}
WITHOUT_LIBRARIES = "without_libraries"
DOCUMENTS = (*RUNS, WITHOUT_LIBRARIES)


def write_all(directory: Path) -> dict[str, Path]:
    found = {name: directory / f"{name}.html" for name in DOCUMENTS}
    for name, run in RUNS.items():
        found[name].write_text(page.render(report.document(run()), LIBRARIES), encoding="utf-8")
    text = page.render(report.document(complete()), directory / "nowhere")
    found[WITHOUT_LIBRARIES].write_text(text, encoding="utf-8")
    return found
