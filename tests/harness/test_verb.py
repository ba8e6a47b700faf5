"""A verb that is no more than its records: what the engine does with it, for every verb alike."""

from __future__ import annotations

import csv
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import samples
from conftest import BINARIES

from loadtest.contestants.contestants import select
from loadtest.document import terminal
from loadtest.document.document import Section, table
from loadtest.engine import folder, measurement, report, schema
from loadtest.engine.measurement import Bench, Measurement, Verb
from loadtest.engine.run import BaseSettings, Exit, Labels, Part, Result, Run, Stop
from loadtest.engine.runner import Session, commands
from loadtest.places.launch import Local, ServerPlan
from loadtest.system.cpus import CpuSets


@dataclass(frozen=True)
class Coins(BaseSettings):
    """Settings: each contestant tosses so many coins."""

    tosses: int = 3
    runner: str = "local"
    duration: float = 1.0
    cpus: CpuSets = CpuSets((1,), (0,))


@dataclass(frozen=True)
class Toss:
    contestant: str
    round: int
    what: str = "a coin"


@dataclass(kw_only=True)
class Fall(Result):
    step: Toss
    heads: bool


def steps(settings: Coins) -> list[Toss]:
    return [Toss(one.name, number) for number in range(1, settings.tosses + 1) for one in settings.contestants]


def toss(bench: Bench, step: Toss) -> Fall:
    return Fall(step=step, server_command="toss", heads=step.round % 2 == 1)


def impatient_toss(bench: Bench, step: Toss) -> Fall:
    """The second one is never finished."""
    if step == steps(bench.settings)[2]:
        signal.raise_signal(signal.SIGINT)
    return toss(bench, step)


def server(settings: Coins, step: Toss) -> ServerPlan:
    return ServerPlan(settings.contestant(step.contestant), settings.cpus, 1, 1)


def sections(run: Run) -> list[Section]:
    heads, (part,) = table("", "heads"), run.parts
    for contestant in part.settings.contestants:
        heads.add_row(contestant.name, str(sum(one.heads for one in part.of(contestant.name))))
    return [Section("Who is lucky?", heads, ["Nobody."])]


COIN = Measurement(
    name="coin",
    settings=Coins,
    result=Fall,
    steps=steps,
    seconds=lambda settings, step: 0.1,
    measure=toss,
    server=server,
    load=lambda address, settings, step: [["toss", f"{address.host}:{address.port}"]],
    values=lambda result: {"throughput": float(result.heads)},
    labels=lambda settings, step: Labels("coin", 1),
)
COINS = Verb("coins", (COIN,), sections, lambda run: ["Coins."])


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    known = [(names, dict(names)) for names in (measurement.VERBS, measurement.MEASUREMENTS)]
    measurement.register(COINS)
    schema.results.cache_clear()
    yield
    for names, before in known:
        names.clear()
        names.update(before)
    schema.results.cache_clear()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session changes how this process takes signals, and where it runs."""
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    monkeypatch.setattr("loadtest.engine.environment.stamp", lambda *_: samples.ENVIRONMENT)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def parts() -> list[Part]:
    return [Part("coin", Coins(select(["threads", "epoll"], samples.MODELS)))]


def run(directory: Path, earlier: Run | None = None) -> Exit:
    place = Local(BINARIES, directory / "servers.log")
    return Session(COINS, earlier.parts if earlier else parts(), earlier, place, directory).run()


def test_it_runs_saves_and_reports(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert run(tmp_path) == Exit.ok
    found = folder.load(tmp_path)
    assert (found.state, len(found.results)) == ("complete", 6)
    shown = capsys.readouterr().out
    assert "Coins." in shown and "Who is lucky?" in shown and re.search(r"Measured in \d+ s\.", shown)
    assert terminal.render(report.document(found), 120) == shown


def test_its_numbers_are_exported(tmp_path):
    run(tmp_path)
    rows = list(csv.DictReader((tmp_path / "cells.csv").open()))
    assert [(row["verb"], row["contestant"], row["workload"], row["round"], row["value"]) for row in rows][:3] == [
        ("coins", "threads", "coin", "1", "1.0"),
        ("coins", "epoll", "coin", "1", "1.0"),
        ("coins", "threads", "coin", "2", "0.0"),
    ]
    assert len(rows) == 6


def test_its_commands_can_be_pasted():
    shown = commands(parts(), Path("bin"))
    assert shown[0] == "# threads: a coin"
    assert shown[1].startswith("taskset --cpu-list 1 bin/quartet-threads --listen 127.0.0.1:8080")
    assert shown[2] == "toss 127.0.0.1:8080"
    assert shown[-1] == "# 6 steps in 3 rounds, about 1 s"


def test_what_was_interrupted_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(measurement.MEASUREMENTS, "coin", replace(COIN, measure=impatient_toss))
    assert run(tmp_path) == Exit.interrupted
    monkeypatch.setitem(measurement.MEASUREMENTS, "coin", COIN)
    found = folder.earlier(COINS, tmp_path, None)
    assert found and (found.state, len(found.results)) == ("interrupted", 2)
    first = list(found.results)
    assert run(tmp_path, earlier=found) == Exit.ok
    again = folder.load(tmp_path)
    assert again.results[:2] == first and [one.step for one in again.results] == steps(parts()[0].settings)


def test_another_verb_does_not_go_on_with_it(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="these are results of coins, not of tails"):
        folder.earlier(replace(COINS, name="tails"), tmp_path, None)


def test_other_software_does_not_go_on_with_it(tmp_path, monkeypatch):
    run(tmp_path)
    found = folder.earlier(COINS, tmp_path, None)
    monkeypatch.setattr("loadtest.engine.environment.stamp", lambda *_: replace(samples.ENVIRONMENT, commit="fedcba"))
    with pytest.raises(Stop, match="commit was abcdef and is fedcba"):
        run(tmp_path, earlier=found)


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="there are two verbs coins"):
        measurement.register(replace(COINS, sections=lambda run: []))
    with pytest.raises(ValueError, match="there are two measurements coin"):
        measurement.register(Verb("tails", (replace(COIN, steps=lambda settings: []),), sections))
