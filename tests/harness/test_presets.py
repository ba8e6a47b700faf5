from __future__ import annotations

import json
import math

import pytest

from loadtest.contestants.contestants import CLASSIC, MODELS, Kind, Workload
from loadtest.document import terminal
from loadtest.statistics.differences import rounds_needed
from loadtest.verbs.list import listing
from loadtest.verbs.load import presets


def names(*arguments) -> list[str]:
    return [one.name for one in presets.contestants(*arguments)]


def test_without_a_word_it_is_our_pure_models():
    assert names("", "", [], []) == [model.name for model in CLASSIC]


def test_all_adds_the_models_that_are_combined_of_them():
    assert names("", "", [], [], True) == [model.name for model in MODELS]
    assert {*names("", "", [], [], True)} - {*names("", "", [], [])} == {"multiprocess", "helpers", "fibers"}


def test_rounds_of_all_tell_all_models_apart():
    assert presets.ROUNDS_OF_ALL == rounds_needed(math.comb(len(MODELS), 2))


def test_all_and_only_are_too_much_said():
    with pytest.raises(ValueError, match="^--all and --only epoll: give one of them$"):
        presets.contestants("", "epoll", [], [], every_model=True)


def test_the_yardstick_of_all_has_their_bare_servers_and_peers_too():
    added = {*names("yardstick", "", [], [], True)} - {*names("yardstick", "", [], [])}
    models = {"multiprocess", "helpers", "fibers"}
    bare = {f"bare-{name}" for name in models}
    assert added == models | bare | {"nginx-workers", "nginx-threads", "beast-coroutines"}


def test_peers_and_variants_come_after_those_named_once_each():
    chosen = names("", "epoll,nginx", ["nginx", "h2o"], ["quartet-epoll --workers 1"])
    assert chosen == ["epoll", "nginx", "h2o", "quartet-epoll --workers 1"]


def test_the_yardstick_puts_every_model_beside_its_bare_server_and_its_peers():
    chosen = presets.contestants("yardstick", "", [], [])
    models = {one.name for one in chosen if one.kind == Kind.model}
    assert models == {one.model for one in chosen if one.kind == Kind.bare}
    assert {"nginx", "h2o", "apache-prefork", "apache-worker", "apache-event"} <= {one.name for one in chosen}


def test_the_yardstick_of_some_models_has_their_kind_alone():
    chosen = presets.contestants("yardstick", "epoll", [], [])
    assert {"epoll", "bare-epoll", "nginx", "h2o"} <= {one.name for one in chosen}
    assert {one.model or one.name for one in chosen} == {"epoll"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sprint", "", [], []), "there is no preset 'sprint'; there is yardstick"),
        (("", "nobody", [], []), "there is no contestant 'nobody'; there are fork-per-request"),
        (("", "", ["epoll"], []), "--peer: there is no contestant 'epoll'; there are nginx, h2o"),
        (("", "", [], ["nginx -c x"]), "--variant 'nginx -c x' starts with none of quartet-coroutines"),
    ],
)
def test_unknown_names_are_errors_that_give_the_known(arguments, sentence):
    with pytest.raises(ValueError) as caught:
        presets.contestants(*arguments)
    assert sentence in str(caught.value)


def test_workloads_are_names_or_paths_each_once():
    found = presets.workloads("json,plaintext,json,/bytes?n=1")
    assert [one.path for one in found] == ["/json", "/plaintext", "/bytes?n=1"]
    assert found[2] == Workload("/bytes?n=1", "/bytes?n=1")


@pytest.mark.parametrize("name", ["", "nonsense", "/a b", "/caf\u00e9", "/x\n"])
def test_what_is_no_workload_is_refused(name):
    with pytest.raises(ValueError, match="there is no workload .*; there are plaintext, json"):
        presets.workloads(name)


@pytest.mark.parametrize("width", [100, 120])
def test_the_list_names_everybody_and_is_never_cut(tmp_path, width):
    text = terminal.render(listing.document(tmp_path, tmp_path), width)
    assert all(word in text for word in ("bare-epoll", "apache-event", "/file/16k", "involuntary switches"))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_the_list_tells_who_is_built(tmp_path):
    before = {one["name"]: one["here"] for one in json.loads(listing.to_json(tmp_path))["contestants"]}
    (tmp_path / "quartet-epoll").touch()
    after = {one["name"]: one["here"] for one in json.loads(listing.to_json(tmp_path))["contestants"]}
    assert (before["epoll"], after["epoll"], after["threads"]) == (False, True, False)


def test_the_list_tells_who_is_measured_by_default(tmp_path):
    text = " ".join(terminal.render(listing.document(tmp_path, tmp_path), 100).split())
    assert "measured by default, multiprocess, helpers and fibers only with --all" in text
    default = [one["name"] for one in json.loads(listing.to_json(tmp_path))["contestants"] if one["by_default"]]
    assert default == [model.name for model in CLASSIC]


def test_a_results_folder_that_cannot_be_read_is_listed_as_such(tmp_path):
    (tmp_path / "2024-throughput").mkdir()
    (tmp_path / "2024-throughput" / "results.json").write_text("{")
    assert "unreadable" in terminal.render(listing.document(tmp_path, tmp_path), 100)
