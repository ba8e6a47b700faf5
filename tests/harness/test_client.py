"""Every outcome of a request, from servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from conftest import SERVER, eventually

from loadtest.clients import client, probe
from loadtest.clients.client import Client, WrongContent, parse_counts, parse_head
from loadtest.clients.outcomes import Outcome
from loadtest.clients.probe import Schedule
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Server
from loadtest.verbs.tour import crowd, plan

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def ask(serve: Serve, patience: float = 5) -> Outcome:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        asker = Client(Address(*server.sockets[0].getsockname()))
        answer = await asker.ask("/", patience)
        asker.close()
    return answer.outcome


def answering(response: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()

    return serve


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Outcome.ok),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", Outcome.error_status),
        (b"", Outcome.eof),
        (b"HTTP/1.1 200 OK\r\nContent-", Outcome.truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", Outcome.truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Outcome.truncated),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Outcome.wrong_content),
        (b"HTTP/1.1 200 OK\r\n\r\n", Outcome.wrong_content),
    ],
)
def test_what_the_server_sends_decides_the_outcome(response, outcome):
    assert asyncio.run(ask(answering(response))) == outcome


def test_a_server_that_stays_silent_times_out():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client leaves
        writer.close()

    assert asyncio.run(ask(serve, patience=0.1)) == Outcome.timed_out


def test_a_connection_that_is_reset_is_not_mistaken_for_an_end():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    assert asyncio.run(ask(serve)) == Outcome.reset


def test_nobody_there_is_refused():
    with socket.socket() as bound:  # not listening
        bound.bind(("127.0.0.1", 0))
        address = Address(*bound.getsockname())
        assert asyncio.run(Client(address).ask("/", 5)).outcome == Outcome.refused


def test_a_connection_is_kept_alive_until_the_server_closes_it(log):
    async def connections(address: Address) -> list[int]:
        asker, numbers = Client(address), []
        for _ in range(5):
            assert (await asker.ask("/plaintext", 5)).outcome == Outcome.ok
            numbers.append(asker.connection)
        asker.close()
        return numbers

    with Server([*SERVER, "--max-requests-per-connection", "2"], log) as server:
        assert asyncio.run(connections(server.address)) == [1, 1, 2, 2, 3]


def test_the_head_tells_status_length_and_persistence():
    head = parse_head(b"HTTP/1.1 404 Not Found\r\nCONTENT-LENGTH: 12\r\nConnection: Close\r\n\r\n")
    assert (head.status, head.content_length, head.keep_alive) == (404, 12, False)


@pytest.mark.parametrize("first", [b"HTTP/1.1 2x0 OK", b"HTTP/2 200", b"HTTP/1.1"])
def test_a_head_that_is_not_http_1_is_wrong_content(first):
    with pytest.raises(WrongContent):
        parse_head(first + b"\r\nContent-Length: 1\r\n\r\n")


@pytest.mark.parametrize("body", [b"not JSON", b"{}", b'{"totals": {"connections": 1}}', b"[]"])
def test_unexpected_statistics_are_an_error_and_not_a_zero(body):
    with pytest.raises(MeasurementError, match="/stats"):
        parse_counts(body)


async def watch(address: Address, settings: Schedule, newcomers: int) -> probe.NewcomerProbe:
    """Until so many have had their turn."""
    watcher, ended = probe.NewcomerProbe(address, settings), asyncio.Event()
    task = asyncio.create_task(watcher.watch(ended))
    async with asyncio.timeout(20):
        while watcher.newcomers.asked < newcomers:
            await asyncio.sleep(0.005)
    ended.set()
    await task
    return watcher


def test_newcomers_who_are_answered_have_a_waiting_time(server):
    seen = asyncio.run(watch(server.address, Schedule(interval=0.01), 5)).newcomers
    assert seen.served == seen.asked == len(seen.waits) >= 5
    assert all(wait > 0 for wait in seen.waits)


def test_newcomers_of_a_dead_server_are_refused(server):
    server.stop()
    seen = asyncio.run(watch(server.address, Schedule(interval=0.01), 3)).newcomers
    assert (seen.served, seen.waits) == (0, [])
    assert seen.outcomes.keys() == {Outcome.refused}


async def occupied(address: Address, settings: Schedule) -> probe.NewcomerProbe:
    """While one client holds the only worker."""
    holder = Client(address)
    await holder.ask("/plaintext", 5)
    try:
        return await watch(address, settings, 3)
    finally:
        holder.close()


def test_newcomers_who_meet_a_busy_pool_time_out(log):
    with Server([*SERVER, "--workers", "1"], log) as server:
        seen = asyncio.run(occupied(server.address, Schedule(interval=0.01, patience=0.1)))
    assert seen.newcomers.outcomes.keys() == {Outcome.timed_out}


def test_who_is_left_waiting_by_the_end_was_not_asked(log):
    with Server([*SERVER, "--workers", "1"], log) as server:
        seen = asyncio.run(occupied(server.address, Schedule(interval=0.01, patience=0.1)))
    assert seen.pending > 0
    assert seen.newcomers.asked == seen.sent - seen.pending


async def crowd_of(address: Address, clients: int) -> crowd.Served:
    settings = plan.Crowd(clients=clients, seconds=0.5, path="/sleep?ms=1")
    return await crowd.gather(address, settings, Schedule(interval=0.1, patience=0.2))


def test_a_pool_serves_as_many_of_a_crowd_as_it_has_workers(log):
    with Server([*SERVER, "--workers", "3"], log) as server:
        served = asyncio.run(crowd_of(server.address, 8))
    assert served.clients == 3
    assert served.newcomers.served == 0


def test_with_rotation_it_serves_all_of_them(log):
    with Server([*SERVER, "--workers", "3", "--max-requests-per-connection", "2"], log) as server:
        assert asyncio.run(crowd_of(server.address, 8)).clients == 8


def test_a_crowd_before_a_dead_server_ends_in_time(server):
    server.stop()
    assert asyncio.run(crowd_of(server.address, 4)).clients == 0


def test_the_watcher_counts_the_clients_without_itself_and_the_newcomers(server):
    holders = [socket.create_connection((server.address.host, server.address.port)) for _ in range(7)]
    with probe.Watcher(server.address, Schedule(interval=0.05), clients=7, count_after=0.2) as watcher:
        assert eventually(lambda: watcher.clients_served is not None)
    for holder in holders:
        holder.close()
    assert watcher.clients_served == 7
    assert watcher.newcomers.served > 0


def test_the_watcher_counts_fewer_clients_than_there_should_be(server):
    holder = socket.create_connection((server.address.host, server.address.port))
    with probe.Watcher(server.address, Schedule(interval=0.05), clients=7, count_after=0.1) as watcher:
        assert eventually(lambda: watcher.clients_served is not None)
    holder.close()
    assert watcher.clients_served == 1


def test_the_watcher_knows_nothing_of_a_server_that_does_not_answer(log):
    with Server([*SERVER, "--workers", "1"], log) as server:
        holder = socket.create_connection((server.address.host, server.address.port))
        settings = Schedule(interval=0.05, patience=0.1)
        with probe.Watcher(server.address, settings, clients=1, count_after=0) as watcher:
            assert eventually(lambda: watcher.newcomers.asked > 3)
        holder.close()
    assert watcher.clients_served is None


def test_statistics_that_nobody_understands_are_an_error_of_the_measurement(server, monkeypatch):
    monkeypatch.setattr(client, "parse_counts", lambda body: (_ for _ in ()).throw(MeasurementError("what?")))
    with pytest.raises(MeasurementError, match="what?"):
        with probe.Watcher(server.address, Schedule(interval=0.05), clients=7, count_after=0) as watcher:
            watcher._thread.join(0.5)
