"""The system calls of one request, in every model: strace on the server, and a client that sends a request, reads the
whole answer and pauses. A busy client would always have the next request waiting, and hide the waits."""

from __future__ import annotations

import socket
import time
from http.client import HTTPException, HTTPResponse

from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address
from loadtest.verbs.walk import parse, strace
from loadtest.verbs.walk.sequence import Actors, Connection, Sample, Walk, walk

SAMPLES = 20  # requests of each kind
WARM_UP = 5  # requests before them: what is done once is done
PAUSE = 0.03  # seconds from an answer to the next request, at least; it varies, or ticks could march in step with it
SPREAD = 0.04  # seconds that it varies by
PATIENCE = 5.0  # seconds for an answer, under strace


def take(contestant: str, session: int, address: Address, target: str = "/plaintext") -> list[Walk]:
    """Of a server that runs as the leader of that session and listens there. Takes about 3 s; a pool needs two
    workers. Raises MeasurementError."""
    with strace.trace(session) as traced:
        sampled = {kind: _sample(address, target, kind) for kind in Connection}
    try:
        events = parse.parse(traced.text)
    except ValueError as error:
        raise MeasurementError(f"what strace wrote cannot be read: {error}") from error
    actors = Actors(session, traced.processes, events)
    return [walk(contestant, kind, events, samples, actors) for kind, samples in sampled.items()]


def _sample(address: Address, target: str, kind: Connection) -> list[Sample]:
    client = _Client(address, target, kind)
    times = []
    try:
        for number in range(WARM_UP + SAMPLES):
            sent = time.time()  # the clock of strace -ttt
            client.ask()
            times.append((sent, time.time()))
            time.sleep(_pause(number))  # the pause is the client's behaviour, not a wait for something
        end = time.time()
    except (OSError, HTTPException) as error:
        raise MeasurementError(f"the server under strace left a request for {target} unanswered: {error}") from error
    finally:
        client.close()
    ends = [*(sent for sent, _ in times[1:]), end]
    time.sleep(PAUSE)  # what the close costs belongs to no request
    return [Sample(*both, following) for both, following in zip(times, ends, strict=True)][WARM_UP:]


def _pause(number: int) -> float:
    """Evenly spread, in an order without a period: multiples of the golden ratio."""
    return PAUSE + SPREAD * (number * 0.6180339887 % 1)


class _Client:
    def __init__(self, address: Address, target: str, kind: Connection) -> None:
        self._address, self._kind = (address.host, address.port), kind
        close = "Connection: close\r\n" if kind == Connection.fresh else ""
        self._request = f"GET {target} HTTP/1.1\r\nHost: quartet\r\n{close}\r\n".encode()
        self._socket: socket.socket | None = None

    def ask(self) -> None:
        """On a fresh connection also reads the server's close. Raises OSError, HTTPException."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, PATIENCE)
        self._socket.sendall(self._request)
        self._read_answer(self._socket)
        if self._kind == Connection.fresh:
            if self._socket.recv(1):
                raise HTTPException("bytes after the response")
            self.close()

    @staticmethod
    def _read_answer(connection: socket.socket) -> None:
        with HTTPResponse(connection) as response:  # which leaves the connection open
            response.begin()
            response.read()
        if response.status != 200:
            raise HTTPException(f"status {response.status}")

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None
