import json

import pytest

import samples
from loadtest import results
from loadtest.results import Failure, Outcome, Survivors


def test_results_survive_the_way_to_json_and_back(tmp_path):
    found = samples.results(failures=[Failure("epoll", "a crash: epoll", "it did not start")])
    results.save(found, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == found


def test_what_is_unknown_is_null_and_not_zero(tmp_path):
    found = samples.results(loads=[samples.load_run(clients_served=None)])
    results.save(found, tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text())["loads"][0]["clients_served"] is None
    assert results.load(tmp_path / "results.json").loads[0].clients_served is None


def test_outcomes_are_words_in_the_file():
    document = json.loads(results.to_json(samples.results()))
    assert document["crashes"][4]["faulty"] == "EOF before response"
    assert document["loads"][0]["newcomers"]["outcomes"] == {"ok": 10}


def test_saving_replaces_the_file_and_leaves_no_other(tmp_path):
    for _ in range(2):
        results.save(samples.results(), tmp_path / "results.json")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_file_of_another_format_is_refused(tmp_path):
    (tmp_path / "results.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="has the format 99"):
        results.load(tmp_path / "results.json")


def test_shares_are_of_the_budget():
    run = samples.load_run(rate=2000, server_cpu_seconds=0.5)
    assert run.cpu_per_request == 0.00025
    assert (run.server_share(cpus=1), run.server_share(cpus=2)) == (0.5, 0.25)


def test_newcomers_who_were_not_served_were_asked():
    seen = results.Newcomers({Outcome.ok: 3, Outcome.refused: 1, Outcome.timed_out: 2}, [0.1] * 3)
    assert (seen.served, seen.asked) == (3, 6)


def test_a_living_server_has_no_status():
    assert results._build(Survivors, {**vars(Survivors(1, 1, 0, 8, 8, None))}).server_status is None
