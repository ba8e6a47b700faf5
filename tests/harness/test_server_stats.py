"""What the harness reads from a server's own count of its connections."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import BINARIES

from loadtest.clients import stats
from loadtest.clients.stats import HELD, Counts
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Server
from loadtest.verbs.load.clients import clients_served


@pytest.fixture
def pool(log: Path) -> Iterator[Server]:
    """Three workers."""
    with Server([str(BINARIES / "quartet-threads"), "--listen", "127.0.0.1:0", "--workers", "3"], log) as running:
        yield running


def holding(address: Address, connections: int) -> ExitStack:
    """Each has been answered once."""
    held = ExitStack()
    for _ in range(connections):
        one = held.enter_context(socket.create_connection((address.host, address.port), timeout=5))
        one.sendall(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
        assert one.recv(65536).endswith(b"Hello, World!")
    return held


def test_connections_that_a_worker_has_taken_up_are_held_whatever_it_does_for_them():
    gauges = {"accepted": 100, **{name: 10**k for k, name in enumerate(HELD)}}
    assert stats.parse(json.dumps({"totals": {"gauges": gauges}}).encode()) == Counts(11111, sleeping=100, idle=10000)


@pytest.mark.parametrize(
    "body", [b"not JSON", b"{}", b'{"totals": {"gauges": {"idle": 1}}}', b'{"totals": {"gauges": null}}', b"[]"]
)
def test_unexpected_statistics_are_an_error_and_not_a_zero(body):
    with pytest.raises(MeasurementError, match="/stats"):
        stats.parse(body)


def test_the_one_who_asks_is_counted(pool):
    found = stats.fetch(pool.address, 5)
    assert found and found.held == 1


def test_a_server_that_does_not_answer_in_time_says_nothing(pool):
    with holding(pool.address, 3):
        assert stats.fetch(pool.address, 0.1) is None


def test_nothing_but_200_is_an_answer(pool):
    assert stats.get(pool.address, "/missing", 5) is None
    assert stats.get(pool.address, "/plaintext", 5) == b"Hello, World!"


def test_counts_are_awaited(pool):
    with holding(pool.address, 2):
        assert stats.await_counts(pool.address, 5, lambda found: found.held == 3, "two are there").held == 3


def test_counts_that_do_not_come_are_an_error(pool):
    with holding(pool.address, 1), pytest.raises(MeasurementError, match="1 idle and 0 sleeping: two are there"):
        stats.await_counts(pool.address, 0.1, lambda found: found.idle == 2, "two are there")


def test_the_clients_served_are_counted_without_the_one_who_asks(pool):
    with holding(pool.address, 2):
        stats.await_counts(pool.address, 5, lambda found: found.held == 3, "two are there")
        assert clients_served(pool.address, 2, 5) == 2
        assert clients_served(pool.address, 7, 5) == 2


def test_nobody_knows_the_clients_served_of_a_server_that_does_not_answer(pool):
    with holding(pool.address, 3):
        assert clients_served(pool.address, 3, 0.1) is None
