from __future__ import annotations

import csv
import json

import pytest
import samples

from loadtest.engine import folder, schema
from loadtest.engine.run import Failure


def test_results_survive_the_way_to_the_folder_and_back(tmp_path):
    failed = samples.trial_run(failures=[Failure("epoll", "round 1, a crash: epoll", "it did not start")])
    for found in (failed, samples.trial_run(verb="tour")):
        folder.save(found, tmp_path)
        assert folder.load(tmp_path) == found
        assert folder.load(tmp_path / "results.json") == found


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


def test_a_newer_minor_version_is_read(tmp_path):
    folder.save(samples.trial_run(), tmp_path)
    rewrite(tmp_path, lambda document: document.update(format="7.7"))
    assert folder.load(tmp_path) == samples.trial_run()


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
