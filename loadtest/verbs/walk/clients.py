"""The system calls of one request, in every model: strace on the server, and a client that sends a request, reads the
whole answer and pauses. A busy client would always have the next request waiting, and hide the waits."""

import random
import socket
import time
from contextlib import ExitStack
from http.client import HTTPException, HTTPResponse

from loadtest.system import MeasurementError
from loadtest.system.processes import Address
from loadtest.verbs.walk import parse, strace
from loadtest.verbs.walk.sequence import Actors, Connection, Sample, Walk, walk

SAMPLES = 20  # requests of each kind
WARM_UP = 5  # requests before them: what is done once is done
PAUSE = (0.03, 0.07)  # seconds from an answer to the next request; they vary, or ticks could march in step with them
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
    close = "Connection: close\r\n" if kind == Connection.fresh else ""
    request = f"GET {target} HTTP/1.1\r\nHost: quartet\r\n{close}\r\n".encode()
    times = []
    try:
        with ExitStack() as connections:
            for number in range(WARM_UP + SAMPLES):
                sent = time.time()  # the clock of strace -ttt
                if number == 0 or kind == Connection.fresh:
                    connection = socket.create_connection((address.host, address.port), PATIENCE)
                    connections.enter_context(connection)
                _ask(connection, request)
                if kind == Connection.fresh:
                    connection.recv(1)  # the server's close
                    connection.close()
                times.append((sent, time.time()))
                time.sleep(random.uniform(*PAUSE))  # the client's behaviour, not a wait for something
            end = time.time()
    except (OSError, HTTPException) as error:
        raise MeasurementError(f"the server under strace left a request for {target} unanswered: {error}") from error
    ends = [*(sent for sent, _ in times[1:]), end]
    time.sleep(PAUSE[0])  # what the close costs belongs to no request
    return [Sample(*both, following) for both, following in zip(times, ends, strict=True)][WARM_UP:]


def _ask(connection: socket.socket, request: bytes) -> None:
    """Raises OSError, HTTPException."""
    connection.sendall(request)
    with HTTPResponse(connection) as response:  # which leaves the connection open
        response.begin()
        response.read()
    if response.status != 200:
        raise HTTPException(f"status {response.status}")
