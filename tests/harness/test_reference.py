"""The reference run: what the repository keeps of it, and what READMEs show of it."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from statistics import median

import pytest
import samples
import test_answer
from test_quartet import say  # noqa: F401  a fixture

from loadtest.cli import reference as command
from loadtest.document.document import Told
from loadtest.engine import folder, metrics, report
from loadtest.engine.run import Failure, Run
from loadtest.reference import readme, reference

KEPT = reference.read(reference.HERE)
ROWS = list(csv.DictReader(io.StringIO((reference.HERE / "cells.csv").read_text())))
BLOCK = "<!-- from the reference run: {} -->\nold\n<!-- end -->"


# --- what is in the repository


@pytest.mark.parametrize("path", command.READMES, ids=lambda path: path.parent.name)
def test_readmes_say_what_the_reference_says(path):
    text = path.read_text(encoding="utf-8")
    assert readme.BLOCK.search(text)
    assert readme.filled(text, KEPT) == text, "run python3 -m loadtest.cli.reference"


def test_every_block_stands_in_one_of_the_readmes_and_is_closed():
    text = "".join(path.read_text(encoding="utf-8") for path in command.READMES)
    assert sorted(name for _, name, _ in readme.BLOCK.findall(text)) == sorted(readme.BLOCKS)
    assert text.count("<!-- from the reference run: ") == text.count("<!-- end -->") == len(readme.BLOCKS)


@pytest.mark.parametrize("name", readme.PICTURES)
def test_pictures_are_those_of_the_figures_and_need_nothing_else(name):
    text = (reference.HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert text == reference.picture(KEPT.figure(readme.PICTURES[name]), KEPT.looks)
    root = ElementTree.fromstring(text)
    assert float(root.get("width")) > 0 and root.find("{*}style") is not None
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_it_is_small_complete_and_says_nothing_of_where_it_was_measured():
    files = {path.name: path.read_bytes() for path in reference.HERE.iterdir() if path.suffix not in ("", ".py")}
    pictures = {f"{name}.svg" for name in readme.PICTURES}
    assert files.keys() == {"results.json", "cells.csv", "machine.md", *pictures}
    assert sum(map(len, files.values())) < reference.LIMIT
    assert KEPT.run.verb == "run" and KEPT.run.state == "complete" and not KEPT.run.failures
    assert KEPT.answer and KEPT.figures and KEPT.tables
    assert not any(
        re.search(rb"/[\w./-]*(?:build|loadtest)/", text) for name, text in files.items() if name != "machine.md"
    )


def test_it_is_of_a_commit_without_changes():
    assert re.fullmatch(r"[0-9a-f]{7,40}", KEPT.run.environment.commit)


@pytest.mark.parametrize("metric", ["cpu", "throughput"])
def test_tables_and_rounds_tell_the_same(metric):
    told, rate = (KEPT.table(readme.LATENCY, *readme.SLOW), "1000") if metric == "cpu" else (
        KEPT.table(readme.THROUGHPUT, *readme.FULL_LOAD), "")  # fmt: skip
    cells = readme.column(told, "CPU us" if metric == "cpu" else "requests/s")
    found = 0
    for row in ROWS:
        here = row["rate"] == rate and row["cpus"] == "1" and row["workload"] == "plaintext"
        connections = "16" if metric == "cpu" else "64"
        if here and row["metric"] == metric and row["connections"] == connections and row["contestant"] in cells:
            values = [float(row[name]) for name in row if name.startswith("round ") and row[name]]
            shown = re.sub(r"^>= | \(.*\)$", "", cells[row["contestant"]])
            assert float(shown.replace(",", "")) == pytest.approx(median(values), rel=2e-3)
            found += 1
    assert found == len(readme.NAMES)


def test_nobody_takes_it_for_the_results_of_a_run(say):  # noqa: F811
    status, _, error = say("report", str(reference.HERE))
    assert status == 2 and reference.OMITTED in error and len(error.splitlines()) == 1
    with pytest.raises(ValueError, match="nothing can be made of .*results.json: it is a reference"):
        folder.load(reference.HERE)


# --- of a made-up run


def full() -> Run:
    command = "loadtest/quartet run --preset full --out '/my results'"
    return replace(test_answer.chapters(), environment=replace(samples.ENVIRONMENT, command=command, commit="0123abc"))


@pytest.fixture(name="made")
def made_(tmp_path):
    """Of a run, a folder with what is kept of it."""
    run = full()
    for name, text in reference.files(run).items():
        (tmp_path / name).write_text(text)
    return run, tmp_path


def test_what_is_kept_has_every_figure_table_and_sentence_but_no_result(made):
    run, directory = made
    kept, document = reference.read(directory), report.document(run)
    assert kept.answer == list(map(str, document.words)) != []
    assert plain(kept.figures) == plain(document.plots) != []
    assert [one.title for one in kept.tables] == [one.title for one in document.sections]
    assert kept.run.environment.command == "loadtest/quartet run --preset full"
    environment = replace(run.environment, command=kept.run.environment.command)
    assert kept.run == replace(run, environment=environment, parts=[replace(one, results=[]) for one in run.parts])
    assert kept.looks == document.looks


def plain(records) -> object:
    return json.loads(json.dumps([asdict(one) for one in records]))


def test_paths_begin_at_the_root_of_whoevers_repository_it_was(made, tmp_path):
    run, directory = made
    run.results[
        0
    ].server_command = "taskset 1 /home/me/q/build/release/bin/quartet-epoll --root /home/me/q/build/dry-run"
    text = reference._without_place(folder.to_json(run, report.document(run)))
    assert "taskset 1 build/release/bin/quartet-epoll --root build/dry-run" in text and "/home/me" not in text


def test_cells_have_the_values_of_all_valid_rounds_and_of_no_other():
    run = test_answer.chapters()
    cell = next(one.cell for one in run.results if one.step.contestant == "epoll")
    first, second, *_ = [one for one in run.parts[0].results if one.cell == cell]
    second.problems = ["it was too late"]
    rows = list(csv.DictReader(io.StringIO(reference.cells(run))))
    valid = [one for chapter in run.chapters for one in metrics.values(chapter) if one.valid]
    assert sum(bool(row[name]) for row in rows for name in row if name.startswith("round")) == len(valid)
    mine = ("epoll", "throughput", str(cell.connections))
    row = next(row for row in rows if (row["contestant"], row["metric"], row["connections"]) == mine)
    rounds = {int(name.split()[1]): value for name, value in row.items() if name.startswith("round")}
    assert rounds[second.step.round] == "" and float(rounds[first.step.round]) == pytest.approx(
        first.client.requests / first.client.seconds, rel=1e-4
    )
    assert list(rounds) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "interrupted"},
        {"failures": [Failure("epoll", "round 1", "it did not start")]},
        {"environment": replace(samples.ENVIRONMENT, command="loadtest/quartet run --preset quick")},
    ],
)
def test_only_a_complete_run_of_everything_is_one(changes):
    with pytest.raises(ValueError, match="the reference is a complete run --preset full"):
        reference.files(replace(full(), **changes))


def test_only_a_run_of_a_commit_is_one():
    run = full()
    run.environment.commit += "+"
    with pytest.raises(ValueError, match="has changes that are in none"):
        reference.files(run)


def test_one_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(reference, "LIMIT", 9)
    reference.refuse_large({"a": "12345", "b": "1234"})
    with pytest.raises(ValueError, match="would have 11 bytes; it may have 9"):
        reference.refuse_large({"a": "12345", "b": "1234\u00e9"})


# --- READMEs


def test_a_block_is_filled_and_what_is_around_it_stays(monkeypatch):
    monkeypatch.setattr(readme, "BLOCKS", {"a": lambda _: "\nnew\n\n", "b": lambda _: "other"})
    text = f"one\n{BLOCK.format('a')}\ntwo\n{BLOCK.format('b')}\n"
    filled = readme.filled(text, KEPT)
    assert filled == text.replace("old", "new", 1).replace("old", "other")
    assert readme.filled(filled, KEPT) == filled


def test_a_block_that_nobody_makes_is_an_error():
    with pytest.raises(ValueError, match="no block is called 'luck'; there are run, answer"):
        readme.filled(BLOCK.format("luck"), KEPT)


def test_a_column_is_found_by_the_beginning_of_its_head():
    told = Told("", "Why?", ("", "CPU us\neach", "\nuser", "x\nprefork"), [["a", "1", "2", "3\n4"]], [])
    assert readme.column(told, "CPU us") == {"a": "1"} and readme.column(told, "x prefork") == {"a": "3 4"}
    with pytest.raises(ValueError, match="'Why\\?' has 0 columns 'PSS'"):
        readme.column(told, "PSS")


def test_faults_that_did_the_same_are_one_row_and_what_was_not_expected_says_so():
    plot = KEPT.figure(readme.SEEN)
    names = list(readme.verdicts(plot))
    alike = [replace(mark, note="request\n!= nobody") if mark.row == names[0] else mark for mark in plot.marks]
    text = readme.matrix(
        replace(KEPT, figures=[replace(plot, marks=alike, caption="1 of 2 cells are so. A row is a fault.")])
    )
    assert f"| `{names[0]}` | request != nobody | request != nobody |" in text and text.endswith(
        "\n1 of 2 cells are so.\n"
    )
    rows = [line.split(" | ")[1:] for line in text.splitlines()[2:-2]]
    assert len({tuple(row) for row in rows}) == len(rows) < len(names)


# --- the command


@pytest.fixture(name="elsewhere")
def elsewhere_(monkeypatch, tmp_path):
    """Where it may write: READMEs with one block each, and the kept files."""
    for name in ("results.json", "cells.csv"):
        (tmp_path / name).write_bytes((reference.HERE / name).read_bytes())
    paths = (tmp_path / "README.md", tmp_path / "OTHER.md")
    for path in paths:
        path.write_text(BLOCK.format("run"))
    monkeypatch.setattr(reference, "HERE", tmp_path)
    monkeypatch.setattr(command, "READMES", paths)
    return tmp_path


def test_without_a_run_readmes_and_pictures_are_made_once_more(elsewhere):
    kept = (elsewhere / "results.json").read_bytes()
    assert command.main([]) == 0
    assert "quartet run --preset full" in " ".join((elsewhere / "README.md").read_text().split())
    assert (elsewhere / "OTHER.md").read_text() == (elsewhere / "README.md").read_text()
    assert {f"{name}.svg" for name in readme.PICTURES} <= {path.name for path in elsewhere.iterdir()}
    assert (elsewhere / "results.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a", "b"], "usage: python3 -m loadtest.cli.reference [DIR]"),
        (["nowhere"], "cannot read nowhere: No such file or directory"),
        ([str(reference.HERE)], "nothing can be made of"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence_and_nothing_is_written(elsewhere, capsys, arguments, sentence):
    before = {path: path.read_bytes() for path in elsewhere.iterdir()}
    assert command.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"python3 -m loadtest.cli.reference: {sentence}") and len(error.splitlines()) == 1
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == before


def test_another_run_is_kept_with_its_cells_its_card_and_its_pictures(elsewhere, monkeypatch):
    monkeypatch.setattr(readme, "PICTURES", {"rounds": report.document(full()).plots[0].id})
    (elsewhere / "run").mkdir()
    folder.save(full(), elsewhere / "run")
    assert command.main([str(elsewhere / "run")]) == 0
    for name, text in reference.files(full()).items():
        assert (elsewhere / name).read_text() == text
    assert (elsewhere / "rounds.svg").read_text().startswith("<svg ")
    assert "at commit 0123abc." in " ".join((elsewhere / "README.md").read_text().split())


def test_a_run_that_has_not_all_that_readmes_show_replaces_nothing(elsewhere, capsys):
    (elsewhere / "run").mkdir()
    folder.save(full(), elsewhere / "run")
    (elsewhere / "OTHER.md").write_text(BLOCK.format("highest"))
    before = {path: path.read_bytes() for path in elsewhere.iterdir() if path.is_file()}
    assert command.main([str(elsewhere / "run")]) == 2
    assert "the reference has 0 tables 'What is the highest rate at which'" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in elsewhere.iterdir() if path.is_file()} == before


def test_what_cannot_be_written_is_named(elsewhere, capsys, monkeypatch):
    monkeypatch.setattr(command, "READMES", (elsewhere / "nowhere/README.md",))
    assert command.main([]) == 1
    assert "nowhere/README.md: No such file or directory" in capsys.readouterr().err
