from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
import samples

from loadtest.document.document import Axis, Document, Mark, Plot, Section, Shape
from loadtest.engine import folder, report, schema
from loadtest.engine.run import Failure
from loadtest.system.records import from_json

FIGURE = Document(
    head=[],
    sections=[
        Section(
            "?",
            None,
            [],
            plots=[
                Plot(
                    "figure",
                    "A figure",
                    "How to read it.",
                    Shape.lines,
                    Axis("connections"),
                    Axis("latency", "ms"),
                    [Mark("epoll", 16, 1.5, 1.0, note=">=")],
                )
            ],
        )
    ],
)


def test_results_survive_the_way_to_the_folder_and_back(tmp_path):
    failed = samples.trial_run(failures=[Failure("epoll", "round 1, a crash: epoll", "it did not start")])
    for found in (failed, samples.trial_run(verb="tour")):
        folder.save(found, tmp_path)
        assert folder.load(tmp_path) == found
        assert folder.load(tmp_path / "results.json") == found


def test_amid_a_run_all_results_until_then_can_be_read_and_each_is_written_out_once(tmp_path, monkeypatch):
    whole = samples.run(samples.part_of_trials(), samples.part_of_trials())
    found = replace(whole, parts=[replace(part, results=[]) for part in whole.parts], state="running")
    keeper, written = folder.Keeper(tmp_path), []
    text = folder._text
    monkeypatch.setattr(folder, "_text", lambda value: [written.append(id(value)), text(value)][1])
    for part, full in zip(found.parts, whole.parts, strict=True):
        for result in full.results:
            part.results.append(result)
            keeper.save(found)
            assert folder.load(tmp_path) == found
    assert [written.count(id(result)) for result in whole.results] == [1] * len(whole.results)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    folder.Keeper(tmp_path).save(found)  # of a run that goes on
    assert folder.load(tmp_path) == found


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        (float | str, "segv", "segv"),
        (float | str, 16, 16.0),
        (int | None, None, None),
        (int | None, 0, 0),
        (Sequence[float], [1, 2], [1.0, 2.0]),
        (tuple[float, ...], [1], (1.0,)),
    ],
)
def test_what_may_be_of_several_types_comes_back_from_json_as_it_was(kind, value, made):
    found = from_json(kind, value)
    assert found == made and type(found) is type(made)


def test_what_is_unknown_is_null_and_not_zero(tmp_path):
    found = samples.trial_run()
    found.results[0].clients_served = None
    folder.save(found, tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["parts"][0]["results"][0]["clients_served"] is None


def test_a_verb_or_a_part_that_nobody_knows_is_named(tmp_path):
    folder.save(samples.trial_run(), tmp_path)
    text = (tmp_path / "results.json").read_text()
    for change, sentence in (
        (('"verb": "throughput"', '"verb": "dance"'), "verb: 'dance' is not one of"),
        (('"measurement": "load"', '"measurement": "dance"'), "parts/0/measurement: 'dance' is not one of"),
    ):
        (tmp_path / "results.json").write_text(text.replace(*change))
        with pytest.raises(ValueError, match=sentence):
            folder.load(tmp_path)


def test_saving_replaces_the_files_and_leaves_no_other(tmp_path):
    for _ in range(2):
        folder.save(samples.trial_run(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.csv", "results.json"]


def test_results_come_without_figures_until_something_is_made_of_them(tmp_path):
    found = samples.trial_run()
    folder.save(found, tmp_path)
    assert not {"answer", "figures"} & json.loads((tmp_path / "results.json").read_text()).keys()
    made = report.document(found)
    folder.save(found, tmp_path, made)
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["answer"] == list(map(str, made.words)) != []
    assert [one["id"] for one in document["figures"]] == [one.id for one in made.plots]
    assert folder.load(tmp_path) == found


def test_a_figure_is_kept_with_all_its_marks(tmp_path):
    folder.save(samples.trial_run(), tmp_path, FIGURE)
    [figure] = json.loads((tmp_path / "results.json").read_text())["figures"]
    assert figure["marks"] == [{"row": "epoll", "x": 16, "y": 1.5, "low": 1.0, "high": None, "part": "", "note": ">="}]
    assert figure["shape"] == "lines" and figure["y"]["unit"] == "ms"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_refused_and_the_file_stays_as_it_was(tmp_path, value):
    found = samples.trial_run()
    folder.save(found, tmp_path)
    section = replace(FIGURE.sections[0], plots=[replace(FIGURE.plots[0], marks=[Mark("epoll", 16, value)])])
    with pytest.raises(ValueError):
        folder.save(found, tmp_path, replace(FIGURE, sections=[section]))
    assert folder.load(tmp_path) == found


def test_results_that_are_not_as_their_schema_says_are_a_fault_of_ours():
    found = samples.trial_run()
    found.results[0].client.requests = "many"
    with pytest.raises(AssertionError, match="'many' is not of type 'integer'"):
        folder.to_json(found, FIGURE)


def test_what_cannot_be_replaced_stays_and_no_draft_is_left(tmp_path):
    (tmp_path / "page.html" / "in the way").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        folder.replace(tmp_path / "page.html", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_the_published_schema_is_that_of_the_code():
    assert schema.PUBLISHED.read_text() == schema.text(), "run: python3 -m loadtest.cli.schema"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", "has the format None; this harness reads 7.x"),
        ('{"format": 1}', "has the format 1; this harness reads 7.x"),
        ("{}", "has the format None; this harness reads 7.x"),
        ('{"format": "4.0"}', "has the format 4.0; this harness reads 7.x"),
        ('{"format": "7.0", "verb": "dance"}', "is a required property"),
        ('{"format": "7.0", "verb": "throughput"}', "is a required property"),
    ],
)
def test_what_is_no_results_file_is_refused_with_a_sentence(tmp_path, content, sentence):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ValueError) as caught:
        folder.load(tmp_path)
    assert sentence in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_folder_without_results_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="cannot read .*results.json: No such file"):
        folder.load(tmp_path)


def test_results_of_a_newer_minor_version_are_refused_with_a_sentence(tmp_path):
    folder.save(samples.trial_run(), tmp_path)
    newer = f"{schema.MAJOR}.{schema.MINOR + 1}"
    rewrite(tmp_path, lambda document: document.update(format=newer))
    sentence = f"{newer}. was written by a newer harness: this one reads up to {schema.MAJOR}.{schema.MINOR}$"
    with pytest.raises(ValueError, match=sentence):
        folder.load(tmp_path)


def test_a_draft_is_nobody_elses_file_and_a_file_has_the_rights_of_any_new_one(tmp_path):
    (tmp_path / "page.tmp").write_text("somebody's")
    mask = os.umask(0o027)
    try:
        folder.replace(tmp_path / "page.html", "new")
    finally:
        os.umask(mask)
    assert (tmp_path / "page.tmp").read_text() == "somebody's"
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_link_leads_to_is_replaced_and_not_the_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "page.html").symlink_to("elsewhere/page.html")
    for content in ("first", "second"):
        folder.replace(tmp_path / "page.html", content)
        assert (tmp_path / "page.html").is_symlink()
        assert (tmp_path / "elsewhere/page.html").read_text() == content
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_an_older_minor_version_that_lacks_what_has_a_default_is_read(tmp_path):
    found = samples.run(samples.part_of_crashes(samples.crash_settings()), verb="crash")
    folder.save(found, tmp_path)

    def age(document):
        document["format"] = "7.0"
        [part] = document["parts"]
        del part["settings"]["asan"], part["settings"]["sessions"]
        for fault in part["settings"]["faults"]:
            del fault["expected_asan"]
        for result in part["results"]:
            del result["step"]["sanitizer"], result["stored"]

    rewrite(tmp_path, age)
    assert folder.load(tmp_path) == found
    rewrite(tmp_path, lambda document: document["parts"][0]["settings"].pop("faults"))
    with pytest.raises(ValueError, match="'faults' is a required property"):
        folder.load(tmp_path)


def rewrite(directory, change):
    document = json.loads((directory / "results.json").read_text())
    change(document)
    (directory / "results.json").write_text(json.dumps(document))


def test_a_value_of_the_wrong_type_is_found_where_it_is(tmp_path):
    folder.save(samples.trial_run(), tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    document["parts"][0]["results"][3]["client"]["requests"] = "many"
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="parts/0/results/3/client/requests: 'many' is not of type 'integer'"):
        folder.load(tmp_path)


def test_every_value_has_a_line_of_its_own(tmp_path):
    found = samples.trial_run()
    folder.save(found, tmp_path)
    rows = list(csv.DictReader((tmp_path / "cells.csv").open()))
    throughputs = [row for row in rows if row["metric"] == "throughput"]
    assert len(throughputs) == len(found.results)
    first = found.results[0]
    assert float(throughputs[0]["value"]) == first.client.requests / first.client.seconds
    assert {row["unit"] for row in rows if row["metric"] == "cpu"} == {"us/request"}


def test_raw_output_is_kept_under_its_name(tmp_path):
    folder.store_raw(tmp_path, "01-epoll.json", "{}")
    assert (tmp_path / "raw" / "01-epoll.json").read_text() == "{}"
