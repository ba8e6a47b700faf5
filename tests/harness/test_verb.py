"""A verb that is no more than its record: what the engine does with it, for every verb alike."""

from __future__ import annotations

import csv
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import samples
from conftest import BINARIES

from loadtest.contestants.contestants import Contestant, select
from loadtest.document import terminal
from loadtest.document.document import Document, Section, table
from loadtest.engine import folder, resume, verb
from loadtest.engine.exit import Exit, Stop
from loadtest.engine.run import Environment, Failure, closing
from loadtest.engine.session import Session
from loadtest.engine.verb import Save, Value, Verb
from loadtest.places.local import Local
from loadtest.places.place import Place


@dataclass(frozen=True)
class Coins:
    """Settings: each contestant tosses so many coins."""

    contestants: tuple[Contestant, ...]
    tosses: int = 3
    runner: str = "local"
    load_cpus: tuple[int, ...] = (0,)


@dataclass
class Toss:
    contestant: str
    number: int
    heads: bool


@dataclass
class CoinResults:
    verb: str
    environment: Environment
    settings: Coins
    tosses: list[Toss] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"
    seconds: float = 0


def toss(found: CoinResults, place: Place, directory: Path, save: Save) -> None:
    for contestant in found.settings.contestants:
        for number in range(found.settings.tosses):
            if not any((one.contestant, one.number) == (contestant.name, number) for one in found.tosses):
                found.tosses.append(Toss(contestant.name, number, heads=number % 2 == 0))
                save()


def toss_one(found: CoinResults, place: Place, directory: Path, save: Save) -> None:
    """And then somebody loses patience."""
    toss(replace(found, settings=replace(found.settings, tosses=1)), place, directory, save)
    signal.raise_signal(signal.SIGINT)


def document(found: CoinResults) -> Document:
    heads = table("", "heads")
    for contestant in found.settings.contestants:
        heads.add_row(contestant.name, str(sum(one.heads for one in found.tosses if one.contestant == contestant.name)))
    return Document(["Coins."], [Section("Who is lucky?", heads, ["Nobody."])], closing(found))


def values(found: CoinResults) -> Iterator[Value]:
    for one in found.tosses:
        yield Value(
            contestant=one.contestant,
            kind="model",
            model=one.contestant,
            workload="coin",
            connections=1,
            cpus=1,
            round=one.number + 1,
            valid=True,
            metric="heads",
            value=float(one.heads),
            unit="1",
        )


COINS = Verb(
    name="coins",
    results=CoinResults,
    execute=toss,
    document=document,
    commands=lambda settings, binaries: ["toss"],
    values=values,
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(verb, "_verbs", verb.registered())
    verb.register(COINS)
    folder.results_schema.cache_clear()
    yield
    folder.results_schema.cache_clear()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session changes how this process takes signals, and where it runs."""
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    monkeypatch.setattr("loadtest.engine.environment.stamp", lambda *_: samples.ENVIRONMENT)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def settings() -> Coins:
    return Coins(select(["threads", "epoll"], samples.MODELS))


def run(directory: Path, one: Verb = COINS, earlier: CoinResults | None = None) -> Exit:
    place = Local(BINARIES, directory / "servers.log")
    return Session(one, earlier.settings if earlier else settings(), earlier, place, directory).run()


def test_it_runs_saves_and_reports(tmp_path, capsys):
    assert run(tmp_path) == Exit.ok
    found = folder.load(tmp_path)
    assert isinstance(found, CoinResults)
    assert (found.state, len(found.tosses)) == ("complete", 6)
    shown = capsys.readouterr().out
    assert "Who is lucky?" in shown
    assert terminal.render(verb.of(found).document(found), 120) == shown


def test_its_numbers_are_exported(tmp_path):
    run(tmp_path)
    rows = list(csv.DictReader((tmp_path / "cells.csv").open()))
    assert [(row["verb"], row["contestant"], row["value"]) for row in rows][:2] == [
        ("coins", "threads", "1.0"),
        ("coins", "threads", "0.0"),
    ]
    assert len(rows) == 6


def test_what_was_interrupted_goes_on(tmp_path):
    assert run(tmp_path, replace(COINS, execute=toss_one)) == Exit.interrupted
    found = resume.earlier(COINS, tmp_path, None)
    assert isinstance(found, CoinResults)
    assert (found.state, len(found.tosses)) == ("interrupted", 2)
    first = list(found.tosses)
    assert run(tmp_path, earlier=found) == Exit.ok
    again = folder.load(tmp_path)
    assert isinstance(again, CoinResults)
    assert again.tosses[:2] == first and len(again.tosses) == 6


def test_another_verb_does_not_go_on_with_it(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="these are results of coins, not of tails"):
        resume.earlier(replace(COINS, name="tails"), tmp_path, None)


def test_other_software_does_not_go_on_with_it(tmp_path, monkeypatch):
    run(tmp_path)
    found = resume.earlier(COINS, tmp_path, None)
    monkeypatch.setattr("loadtest.engine.environment.stamp", lambda *_: replace(samples.ENVIRONMENT, commit="fedcba"))
    with pytest.raises(Stop, match="commit was abcdef and is fedcba"):
        run(tmp_path, earlier=found)  # type: ignore[arg-type]


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="there are two verbs coins"):
        verb.register(replace(COINS, document=closing))  # type: ignore[arg-type]
