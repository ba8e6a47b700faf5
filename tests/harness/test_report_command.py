"""The page and the tables of finished runs: at a run's end, and by the command `report`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import samples
from test_quartet import measure, say  # noqa: F401  a fixture

from loadtest.engine import folder, report, runner
from loadtest.engine.run import Exit, Run
from loadtest.system import output as system_output
from loadtest.system.output import OutputError

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """The folders a and b."""
    for name, found in (("a", samples.trial_run()), ("b", samples.tour())):
        (tmp_path / name).mkdir()
        folder.save(found, tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# --- at a run's end


@pytest.fixture
def nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "execute", lambda *_: None)


def refuse(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_run_leaves_its_results_with_their_figures_and_a_page(nothing_to_do, tmp_path, capsys):
    assert measure(tmp_path) == Exit.ok
    assert files(tmp_path) == ["cells.csv", "report.html", "results.json"]
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["answer"] and found["answer"] == list(map(str, report.document(folder.load(tmp_path)).words))
    assert capsys.readouterr().err.endswith(f"results: {tmp_path}/results.json\npage: {tmp_path}/report.html\n")


def test_a_report_that_fails_costs_no_results(nothing_to_do, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(report, "document", refuse(KeyError("epoll")))
    assert measure(tmp_path) == Exit.failed
    assert folder.load(tmp_path) == samples.trial_run(seconds=folder.load(tmp_path).seconds)
    assert files(tmp_path) == ["cells.csv", "results.json"]
    assert capsys.readouterr().err == (
        "loadtest/run: the report could not be made (KeyError: 'epoll'); the results are safe in "
        f"{tmp_path}/results.json\n"
    )


def test_a_page_that_fails_costs_neither_tables_nor_figures(nothing_to_do, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("loadtest.page.page.render", refuse(ValueError("no template")))
    assert measure(tmp_path) == Exit.failed
    assert "answer" in json.loads((tmp_path / "results.json").read_text())
    output = capsys.readouterr()
    assert "How many requests are answered in a second?" in output.out
    assert "the page could not be made (ValueError: no template); the results are safe" in output.err
    assert files(tmp_path) == ["cells.csv", "results.json"]


@pytest.mark.parametrize("name", ["report.html", "results.json"])
def test_a_disk_that_takes_no_page_or_no_figures_keeps_results_that_are_complete(
    nothing_to_do, monkeypatch, tmp_path, capsys, name
):
    write = folder._write

    def fill(path: Path, content: str) -> None:
        if path.name.startswith(Path(name).stem) and ('"answer"' in content or name == "report.html"):
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(folder, "_write", fill)
    assert measure(tmp_path) == Exit.failed
    assert folder.load(tmp_path).state == "complete"
    output = capsys.readouterr()
    assert "How many requests are answered in a second?" in output.out
    assert output.err.endswith("No space left on device\n") and "could not be made" not in output.err


def test_an_interrupted_run_has_its_page_too(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "execute", refuse(KeyboardInterrupt()))
    assert measure(tmp_path) == Exit.interrupted
    assert folder.load(tmp_path).state == "interrupted"
    assert "The run was stopped before its end" in str(report.document(folder.load(tmp_path)).caveats)
    assert "report.html" in files(tmp_path)


def test_with_json_a_report_that_fails_costs_none_of_the_results(nothing_to_do, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(report, "document", refuse(KeyError("epoll")))
    assert measure(tmp_path, as_json=True) == Exit.failed
    output = capsys.readouterr()
    assert output.out == (tmp_path / "results.json").read_text()
    assert "the report could not be made (KeyError: 'epoll')" in output.err


def test_a_figure_after_one_round_that_fails_is_told_in_a_sentence_and_the_run_goes_on(monkeypatch, tmp_path, capsys):
    def play(run: Run, place: object, directory: Path, save: object, first: Callable[[Run], None]) -> None:
        first(run)

    monkeypatch.setattr(runner, "execute", play)
    assert measure(tmp_path, first=refuse(KeyError("epoll"))) == Exit.ok
    assert folder.load(tmp_path).state == "complete"
    errors = capsys.readouterr().err
    assert errors.startswith(
        "loadtest/run: the figures after one round could not be made (KeyError: 'epoll')\nresults: "
    )


BESIDE = "in <code>results.json</code>, in the same folder"


def test_only_a_page_beside_the_results_that_its_run_has_saved_says_where_its_figures_are(
    nothing_to_do, say, two, tmp_path  # noqa: F811
):
    (tmp_path / "run").mkdir()
    measure(tmp_path / "run")
    assert BESIDE in (tmp_path / "run/report.html").read_text()
    say("report", "a", "--out", "page.html")
    assert BESIDE not in (tmp_path / "page.html").read_text()


# --- by the command


def test_it_shows_what_the_run_has_shown_and_writes_its_page(say: Say, two):  # noqa: F811
    status, output, errors = say("report", "a")
    assert (status, errors) == (0, "page: a/report.html\n")
    assert output.startswith("Sample CPU") and "Measured in 60 s." in output
    assert "<html" in (two[0] / "report.html").read_text()


def test_several_folders_have_a_page_each(say: Say, two):  # noqa: F811
    status, output, errors = say("report", "a", "b/results.json")
    assert (status, errors) == (0, "page: a/report.html\npage: b/report.html\n")
    assert output.index("How many requests are answered") < output.index("What does a request cost")
    assert all("report.html" in files(directory) for directory in two)


def test_results_stay_as_they_are(say: Say, two):  # noqa: F811
    before = (two[0] / "results.json").read_bytes()
    say("report", "a")
    assert (two[0] / "results.json").read_bytes() == before


def test_as_json_it_has_the_figures_and_the_answer_as_well(say: Say, two):  # noqa: F811
    found = json.loads(say("report", "a", "--json")[1])
    assert found["verb"] == "throughput" and found["answer"] and isinstance(found["figures"], list)


def test_a_page_can_stand_elsewhere(say: Say, two, tmp_path):  # noqa: F811
    status, _, errors = say("report", "a", "--out", "page.html")
    assert (status, errors) == (0, "page: page.html\n")
    assert "<html" in (tmp_path / "page.html").read_text()
    assert "report.html" not in files(two[0])


def test_a_folder_that_takes_no_page_is_told_in_a_sentence_below_the_tables(say: Say, two):  # noqa: F811
    (two[0] / "report.html").mkdir()
    status, output, errors = say("report", "a")
    assert (status, errors) == (
        1, "loadtest/quartet: cannot write a/report.html: Is a directory; choose another file with --out\n"
    )  # fmt: skip
    assert "How many requests are answered" in output
    assert say("report", "a", "--out", "nowhere/page.html")[2].startswith("loadtest/quartet: cannot write nowhere/")


def test_an_interruption_amid_a_page_leaves_results_and_the_earlier_page(say: Say, two, monkeypatch):  # noqa: F811
    say("report", "a")
    before = {path.name: path.read_bytes() for path in two[0].iterdir()}
    monkeypatch.setattr(os, "replace", refuse(KeyboardInterrupt()))
    assert say("report", "a")[0] == Exit.interrupted
    assert {path.name: path.read_bytes() for path in two[0].iterdir()} == before


def test_a_folder_of_an_earlier_minor_version_has_its_page(say: Say, two):  # noqa: F811
    found = json.loads((two[1] / "results.json").read_text())
    (two[1] / "results.json").write_text(json.dumps({**found, "format": "7.0"}))
    assert say("report", "b")[0] == 0
    assert "<html" in (two[1] / "report.html").read_text()


def test_two_folders_side_by_side_are_one_page(say: Say, two, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.setattr(folder, "ROOT", tmp_path)
    folder.save(samples.trial_run(), two[1])
    status, output, errors = say("report", "--compare", "a", "b")
    [page] = (tmp_path / "results").glob("*-compare/report.html")
    assert (status, errors) == (0, f"page: {page}\n")
    assert output and "between two runs" in page.read_text()
    assert say("report", "--compare", "a", "b", "--out", "both.html")[2] == "page: both.html\n"


def test_a_fault_of_ours_in_one_folder_is_a_sentence_and_the_others_are_shown(say: Say, two, monkeypatch):  # noqa: F811
    make = report.document
    monkeypatch.setattr(report, "document", lambda run: refuse(KeyError("x"))() if run.verb == "tour" else make(run))
    status, output, errors = say("report", "b", "a")
    assert (status, errors) == (
        1, "page: a/report.html\nloadtest/quartet: the report could not be made (KeyError: 'x')\n"
    )  # fmt: skip
    assert "How many requests are answered" in output


def test_a_stdout_that_ends_early_costs_no_page(say: Say, two, monkeypatch):  # noqa: F811
    sentence = "cannot write to standard output: Broken pipe"
    monkeypatch.setattr(system_output, "show", lambda text: text and refuse(OutputError(sentence))())
    status, _, errors = say("report", "a", "b")
    assert (status, errors) == (1, f"page: a/report.html\npage: b/report.html\nloadtest/quartet: {sentence}\n")
    assert all("report.html" in files(directory) for directory in two)


@pytest.mark.parametrize("name", ["a/results.json", "a/cells.csv", "link.html", "results.json", "a"])
def test_a_page_replaces_neither_results_nor_what_is_no_file(say: Say, two, tmp_path, name):  # noqa: F811
    (tmp_path / "link.html").symlink_to("a/results.json")
    before = (two[0] / "results.json").read_bytes(), (two[0] / "cells.csv").read_bytes()
    for arguments in (["a"], ["--compare", "a", "b"]):
        status, output, errors = say("report", *arguments, "--out", name)
        assert (status, output, errors.count("\n")) == (2, "", 1)
        assert errors.startswith(f"loadtest/quartet: --out {name}: this is ")
    assert ((two[0] / "results.json").read_bytes(), (two[0] / "cells.csv").read_bytes()) == before
    assert files(two[0]) == ["cells.csv", "results.json"] and (tmp_path / "link.html").is_symlink()


def test_a_named_pipe_is_no_place_for_a_page(say: Say, two, tmp_path):  # noqa: F811
    os.mkfifo(tmp_path / "pipe.html")
    status, _, errors = say("report", "a", "--out", "pipe.html")
    assert (status, errors) == (2, "loadtest/quartet: --out pipe.html: this is no regular file\n")
    assert (tmp_path / "pipe.html").is_fifo()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'DIR...'."),
        (["a", "nothing"], "cannot read nothing: No such file or directory"),
        (["a/cells.csv"], "a/cells.csv is not JSON"),
        (["."], "cannot read results.json: No such file or directory"),
        (["old"], "old/results.json has the format 6.9; this harness reads 7.x"),
        (["a", "b", "a"], "a is there twice"),
        (["a", "a/results.json"], "a is there twice"),
        (["a", "b/../a"], "a is there twice"),
        (["a", "b", "--out", "page.html"], "--out page.html: this is one page, and there are 2 folders"),
        (["--compare", "a"], "--compare takes two folders, and there is one"),
        (["--compare", "a", "b", "c"], "--compare takes two folders, and there are 3"),
        (["--compare", "a", "b", "--json"], "report --compare makes a page; `compare A B --json` prints JSON"),
    ],
)
def test_a_wrong_way_is_one_sentence_and_writes_nothing(say: Say, two, tmp_path, arguments, sentence):  # noqa: F811
    (tmp_path / "old").mkdir()
    (tmp_path / "old/results.json").write_text('{"format": "6.9"}')
    status, output, errors = say("report", *arguments)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"loadtest/quartet: {sentence}")
    assert "report.html" not in files(two[0])
