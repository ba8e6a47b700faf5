"""What the harness reads from quartet-pace: its records, and newcomers beside somebody else's load."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BINARIES

from loadtest.clients import pace
from loadtest.clients.client_side import ClientSide, Newcomers
from loadtest.clients.pace import HEAD, MAGIC, OUTCOMES, RECORD, Record, Schedule, read_records
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Server

PACE = str(BINARIES / "quartet-pace")
SCHEDULE = Schedule(interval=0.02, patience=0.1)


# --- records

FIELDS = struct.Struct("<qqqqIIiIIHBB")  # loadtest/pace/README.md
ANSWERED = FIELDS.pack(1_000_000_000, 1_250_000_000, 1_400_000_000, 1_500_000_000, 17, 13, 0, 0, 3, 200, 0, 0)
NEVER = FIELDS.pack(2_000_000_000, -1, -1, -1, 17, 0, 0, 0, 0, 0, OUTCOMES.index("never answered"), 0)


def head(count: int, version: int = 1, size: int = RECORD.size) -> bytes:
    return HEAD.pack(MAGIC, version, size, count, 1_700_000_000_500_000_000)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_record_has_its_times_in_seconds_from_the_start(tmp_path):
    start, records = read_records(written(tmp_path / "records", head(1) + ANSWERED))
    assert start == 1_700_000_000.5
    assert records == [Record(1.0, 1.25, 1.5, 3, "ok", lateness=1.7e-08, status=200)]


def test_what_a_request_did_not_come_to_has_no_time(tmp_path):
    _, records = read_records(written(tmp_path / "records", head(1) + NEVER))
    assert records == [Record(2.0, None, None, 0, "never answered", lateness=1.7e-08)]


def test_records_of_no_request_are_records(tmp_path):
    assert read_records(written(tmp_path / "records", head(0)))[1] == []


@pytest.mark.parametrize(
    "content",
    [
        *(b"", MAGIC, head(2)[:-1]),
        *(head(2) + ANSWERED, (head(2) + 2 * ANSWERED)[:-1], head(1) + 2 * ANSWERED),  # other than it says
        *(head(1, version=2) + ANSWERED, head(1, size=64) + ANSWERED, b"%PDF-1.4" + head(0)[8:]),
    ],
)
def test_a_file_that_is_cut_or_of_another_kind_is_refused(content, tmp_path):
    with pytest.raises(MeasurementError, match="holds no records of quartet-pace"):
        read_records(written(tmp_path / "records", content))


def test_quartet_pace_writes_the_records_that_are_read(server: Server, tmp_path):
    path, load = tmp_path / "records", ["--rate", "100", "-d", "100ms", "-c", "2"]
    before = time.time()
    argv = [*pace.command(PACE, server.address, (0,), "/missing", *load), "--records", str(path)]
    lane = pace.summary(pace.measure(argv, 1))["lanes"][0]
    start, records = read_records(path)
    assert before <= start <= time.time()
    assert [round(one.due, 6) for one in records] == [k / 100 for k in range(10)]
    assert pace.outcomes(lane) == {"error status": 10} and {one.outcome for one in records} == {"error status"}
    assert {one.connection for one in records} <= {1, 2}


# --- newcomers beside a load


@pytest.fixture
def pool(log: Path) -> Iterator[Server]:
    """One worker."""
    with Server([str(BINARIES / "quartet-threads"), "--listen", "127.0.0.1:0", "--workers", "1"], log) as running:
        yield running


def came(
    address: Address, seconds: float = 0.5, schedule: Schedule = SCHEDULE, lasts: float | None = None
) -> Newcomers:
    """@param lasts: how long the load really does"""
    with pace.beside(PACE, address, (0,), schedule, seconds) as company:
        time.sleep(seconds if lasts is None else lasts)
    assert company.cpu_seconds > 0
    return company.newcomers


def test_newcomers_who_are_answered_have_a_waiting_time(pool):
    found = came(pool.address)
    assert found.served == found.asked > 0
    assert found.waits and found.waits.count == found.served
    assert 0 < found.waits.p50 <= found.waits.max < 0.1e6


def test_newcomers_ask_for_the_path_of_their_schedule(pool):
    missing = Schedule(interval=0.02, patience=0.1, path="/missing")
    assert came(pool.address, schedule=missing).outcomes.keys() == {"error status"}


def test_newcomers_of_a_dead_server_are_refused(pool):
    address = pool.address
    pool.stop()
    found = came(address)
    assert (found.served, found.waits, found.outcomes.keys()) == (0, None, {"refused"})


def test_newcomers_who_meet_a_busy_pool_time_out(pool):
    with socket.create_connection((pool.address.host, pool.address.port)):
        found = came(pool.address)
    assert (found.served, found.waits, found.asked) == (0, None, 20)
    assert found.outcomes.keys() <= {"timed out", "never answered"}  # the last ones' patience and the end are one


def test_who_is_left_waiting_by_the_end_was_asked(pool):
    with socket.create_connection((pool.address.host, pool.address.port)):
        found = came(pool.address, seconds=5, schedule=Schedule(interval=0.02, patience=3), lasts=0.5)
    assert found.outcomes.keys() == {"never answered"} and found.asked > 0


def test_as_many_are_asked_whether_or_not_they_are_served(pool):
    """0 of 4 beside 9 of 9 would tell of who was looked at."""
    served = came(pool.address)
    with socket.create_connection((pool.address.host, pool.address.port)):
        waiting = came(pool.address)
    assert (served.served, served.asked, waiting.served, waiting.asked) == (20, 20, 0, 20)


def test_in_a_load_shorter_than_their_patience_one_comes_at_once(pool):
    assert came(pool.address, seconds=0.3, schedule=Schedule(interval=0.02, patience=60)).outcomes == {"ok": 1}
    with socket.create_connection((pool.address.host, pool.address.port)):
        found = came(pool.address, seconds=0.3, schedule=Schedule(interval=0.02, patience=60))
    assert (found.served, found.asked) == (0, 1)


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        (2, "-d 1500ms --timeout 500ms --grace 500ms"),
        (0.5, "-d 1ms --timeout 499ms --grace 499ms"),
        (0.001, "-d 1ms --timeout 1ms --grace 1ms"),
    ],
)
def test_newcomers_have_their_whole_patience_before_the_load_ends(seconds, times):
    argv = pace.newcomer_command(PACE, Address("127.0.0.1", 80), (0,), Schedule(interval=0.1, patience=0.5), seconds)
    assert times in " ".join(argv)


def test_a_client_that_does_not_start_is_an_error(pool):
    with pytest.raises(MeasurementError, match="exit"):
        came(Address("nowhere", 1))


def test_an_error_beside_newcomers_is_not_hidden_by_them(pool):
    with pytest.raises(MeasurementError, match="the load broke"):
        with pace.beside(PACE, pool.address, (0,), SCHEDULE, 1):
            raise MeasurementError("the load broke")


# --- losses, and a closed loop, from the real client


def asked(address: Address, *arguments: str) -> ClientSide:
    return pace.client_side(pace.measure(pace.command(PACE, address, (0,), *arguments), 1))


def test_what_is_never_answered_is_a_result_and_not_invalid(pool):
    with socket.create_connection((pool.address.host, pool.address.port)):
        found = asked(pool.address, *"--rate 100 -d 100ms --timeout 50ms --grace 200ms --tolerance 60s".split())
    assert found.problems == []
    assert (found.asked, found.requests, found.censored, found.latencies) == (10, 0, 10, {})
    assert found.latency and found.latency.is_bound("p50")
    assert found.patience == 0.05 and found.latency.p50 == 50_000


def test_a_constant_rate_tells_every_latency_and_its_own_lateness(server: Server):
    found = asked(server.address, *pace.constant_rate(200, 2, 0.1, seed=3), "--tolerance", "60s")
    assert found.asked == found.good == sum(found.latencies.values()) > 5
    assert sum(found.lateness.values()) == found.asked
    assert found.latency and 0 < found.latency.p50 <= found.latency.max


@pytest.mark.parametrize("more", [{}, {"pipeline": 4}, {"keep_alive": False}])
def test_a_closed_loop_is_answered_in_its_window(server: Server, more):
    found = asked(server.address, *pace.closed(2, 0.2, **more))
    assert found.problems == [] and found.errors == {} and found.connections == 2
    assert 0 < found.requests == found.good <= sum(found.latencies.values())
    assert (found.seconds, found.asked, found.lateness) == (0.2, None, {})
