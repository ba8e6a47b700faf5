from __future__ import annotations

import pytest
import samples

from loadtest.contestants.contestants import BARE, WORKLOADS, Workload, select, variant
from loadtest.contestants.peers import PEER_CONTESTANTS
from loadtest.engine import metrics
from loadtest.system.cpus import CpuSets
from loadtest.verbs.load import plan as trials
from loadtest.verbs.load.measure import server
from loadtest.verbs.load.plan import PACE, Cell
from loadtest.verbs.load.verb import LOAD

JSON, FILE = WORKLOADS[1], WORKLOADS[3]


def with_workload(workload: Workload, names: str = "epoll,bare-epoll,nginx") -> trials.Settings:
    return trials.Settings(select(names.split(","), samples.EVERYBODY), (workload,), {1: CpuSets((1,), (0,))})


def test_contestants_get_the_cells_that_they_serve():
    assert [cell.contestant for cell in trials.cells(with_workload(WORKLOADS[0]))] == ["epoll", "bare-epoll", "nginx"]
    assert [cell.contestant for cell in trials.cells(with_workload(FILE))] == ["epoll", "nginx"]
    assert [cell.contestant for cell in trials.cells(with_workload(JSON))] == ["epoll"]


def test_every_load_has_its_cells_and_every_cell_is_there_once():
    budgets = {1: CpuSets((1,), (0,)), 2: CpuSets((0, 1), (0,))}
    chosen = trials.Settings(samples.TRIED, WORKLOADS[:1], budgets, connections=(1, 16), rates=(1000.0,))
    found = trials.cells(chosen)
    assert len(found) == len(set(found)) == len(samples.TRIED) * 2 * 2 * 2
    assert {cell.rate for cell in found} == {None, 1000.0}


def test_pipelines_are_for_closed_loops_alone():
    found = trials.cells(samples.settings(rates=(1000.0,), pipeline=8))
    assert {(cell.rate, cell.pipeline) for cell in found} == {(None, 8), (1000.0, 1)}


def test_a_load_says_all_that_the_contestants_share():
    cell = Cell("epoll", "json", 64, cpus=2, keep_alive=False, rate=2000.0, client=PACE, arrivals="poisson")
    assert cell.load == "json, 64 connections, a fresh one for each request, 2,000 requests/s (Poisson), 2 server CPUs"
    assert str(Cell("epoll", "json", 1, pipeline=4)) == "epoll: json, 1 connection, 4 requests at once, 1 server CPU"


def test_every_round_tries_every_cell_once_and_the_seed_decides_the_order():
    chosen = samples.settings(rounds=4)
    cells = trials.cells(chosen)
    rounds = [[step.cell for step in trials.steps(chosen) if step.round == number] for number in range(1, 5)]
    assert all(set(row) == set(cells) and len(row) == len(cells) for row in rounds)
    assert len({tuple(row) for row in rounds}) > 1
    assert list(trials.steps(chosen)) == list(trials.steps(samples.settings(rounds=4)))
    assert list(trials.steps(chosen)) != list(trials.steps(samples.settings(rounds=4, seed=2)))


def test_pools_have_room_for_all_clients_newcomers_and_stats():
    step = trials.TrialStep(1, Cell("threads", "plaintext", 64))
    assert server(samples.settings(), step).workers == 66
    assert server(samples.settings(workers=5), step).workers == 5


@pytest.mark.parametrize(("connections", "threads"), [(1, 1), (15, 3), (16, 4), (17, 1)])
def test_wrk_has_as_many_threads_as_open_every_connection(connections, threads):
    chosen = samples.settings()
    chosen.budgets[4] = CpuSets((4, 5, 6, 7), (0, 1, 2, 3))
    assert chosen.load_threads(Cell("epoll", "plaintext", connections, cpus=4)) == threads


def test_the_constant_rate_client_has_one_thread():
    chosen = samples.settings()
    chosen.budgets[4] = CpuSets((4, 5, 6, 7), (0, 1, 2, 3))
    assert chosen.load_threads(Cell("epoll", "plaintext", 16, cpus=4, rate=1000.0, client=PACE)) == 1


def test_nobody_rotates_connections_unless_a_variant_asks_for_it(tmp_path):
    rotating = variant("quartet-epoll --max-requests-per-connection 9")
    chosen = samples.settings((*samples.TRIED, rotating))
    options = {step.contestant: server(chosen, step, tmp_path).more for step in trials.steps(chosen)}
    assert options["epoll"] == options["bare-epoll"] == ("--max-requests-per-connection", "0")
    assert options[rotating.name] == options["nginx"] == ()


def test_files_are_served_from_a_root(tmp_path):
    options = server(with_workload(FILE, "epoll"), trials.TrialStep(1, Cell("epoll", "file", 16)), tmp_path).more
    assert options[-2:] == ("--root", str(tmp_path))


def test_pace_is_needed_for_newcomers_and_every_server_by_its_name():
    names = {one.executable for one in (*BARE, *PEER_CONTESTANTS)}
    needed = LOAD.executables(samples.settings())
    assert "quartet-pace" in needed
    assert needed & names == {"bare-epoll", "/usr/sbin/nginx", "/usr/bin/h2o"}


def test_system_calls_are_counted_beside_the_first_round_where_they_are_wanted():
    assert {step.round for step in trials.steps(samples.settings()) if step.counts_system_calls} == {1}
    assert not any(step.counts_system_calls for step in trials.steps(samples.settings(counts_system_calls=False)))


def test_every_metric_has_a_unit_and_a_direction_and_every_trial_its_value():
    assert len(metrics.BY_NAME) == len(metrics.METRICS)
    assert all(metric.unit and metric.better in ("more", "less") for metric in metrics.METRICS)
    of_sizes = {f"{size} {name}" for size in ("short", "long") for name in ("p50", "p99", "mean")}  # of schedulers
    of_a_trial = metrics.BY_NAME.keys() - {"highest rate"} - of_sizes
    assert LOAD.values(samples.trial(Cell("epoll", "plaintext", 16))).keys() == of_a_trial
