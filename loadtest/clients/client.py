"""A small HTTP/1.1 client that says exactly what became of every request. For light loads; wrk does the heavy ones."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from loadtest.clients.outcomes import Outcome
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    body: bytes = b""


@dataclass(frozen=True)
class Head:
    status: int
    content_length: int
    keep_alive: bool


class WrongContent(Exception):
    """What came is not the HTTP that this client understands."""


def parse_head(head: bytes) -> Head:
    """Of a response with a length; our routes send no other. Raises WrongContent."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        status, length = int(rest[:3]), int(fields["content-length"])
    except (ValueError, KeyError) as error:
        raise WrongContent(f"unexpected response head {first!r}") from error
    if not version.startswith("HTTP/1."):
        raise WrongContent(f"unexpected version {version!r}")
    return Head(status, length, fields.get("connection", "").lower() != "close")


class Client:
    """One client, one connection at a time: kept alive while the server allows it, made anew when it is gone."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.connection = 0  # the number of connections made so far

    async def ask(self, target: str, patience: float, method: str = "GET") -> Answer:
        """Sends one request, connecting where needed, and waits for its answer, for `patience` seconds in all."""
        try:
            async with asyncio.timeout(patience):
                return await self._exchange(_request(method, target))
        except (OSError, EOFError, WrongContent) as error:
            self.close()
            return Answer(_classify(error))
        except asyncio.CancelledError:
            self.close()
            raise

    @property
    def connected(self) -> bool:
        """As far as we know: the server has not closed it."""
        return self._reader is not None and not self._reader.at_eof() and self._reader.exception() is None

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, request: bytes) -> Answer:
        if not self.connected:
            self.close()
            self._reader, self._writer = await asyncio.open_connection(self._address.host, self._address.port)
            self.connection += 1
        assert self._reader and self._writer
        self._writer.write(request)
        head = parse_head(await _read_head(self._reader))
        body = await _read_body(self._reader, head.content_length)
        if not head.keep_alive:
            self.close()
        return Answer(Outcome.ok if head.status < 400 else Outcome.error_status, body)


def _request(method: str, target: str) -> bytes:
    length = "Content-Length: 0\r\n" if method == "POST" else ""
    return f"{method} {target} HTTP/1.1\r\nHost: quartet\r\n{length}\r\n".encode()


class Truncated(EOFError):
    """The connection ended in mid-response."""


async def _read_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Truncated from error
        raise
    except asyncio.LimitOverrunError as error:
        raise WrongContent("endless response head") from error


async def _read_body(reader: asyncio.StreamReader, length: int) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise Truncated from error


def _classify(error: OSError | EOFError | WrongContent) -> Outcome:
    match error:
        case WrongContent():
            return Outcome.wrong_content
        case Truncated():
            return Outcome.truncated
        case EOFError():
            return Outcome.eof
        case TimeoutError():
            return Outcome.timed_out
        case ConnectionRefusedError():
            return Outcome.refused
        case _:
            return Outcome.reset  # ECONNRESET, EPIPE


@dataclass(frozen=True)
class ServerCounts:
    """From /stats: what the server itself has counted since its start."""

    connections: int  # taken up by a worker
    sleeping: int  # connections whose request waits in hand now
    idle: int = 0  # connections that were answered and have asked nothing since


def parse_counts(body: bytes) -> ServerCounts:
    """Raises MeasurementError when it is not what /stats should be."""
    try:
        totals = json.loads(body)["totals"]
        gauges = totals["gauges"]
        return ServerCounts(totals["connections"], gauges["sleeping"], gauges.get("idle", 0))
    except (ValueError, KeyError, TypeError) as error:
        raise MeasurementError(f"/stats has no totals that this harness can read: {body[:80]!r}") from error


async def fetch_counts(address: Address, patience: float) -> ServerCounts | None:
    """On a connection of its own; None when it is not answered in time."""
    client = Client(address)
    answer = await client.ask("/stats", patience)
    client.close()
    return parse_counts(answer.body) if answer.outcome == Outcome.ok else None
