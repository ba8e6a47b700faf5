#!/usr/bin/python3
"""Stands in for quartet-pace: holds idle connections until SIGINT, sends newcomers until then, or asks a schedule's
number of requests at once.

FAKE_PACE=greedy holds one fewer than asked, =boaster too, but says that it holds all, =loser says at the end that the
server has closed one, =short answers one request fewer, =late could not keep the schedule.
"""

import argparse
import json
import os
import signal
import socket

BEHAVIOUR = os.environ.get("FAKE_PACE", "")
TIMES = {"mean_ms": 0.5, "p50_ms": 0.4, "p90_ms": 0.8, "p99_ms": 1.5, "p99_9_ms": 2.5, "max_ms": 3.0}
NOT_VALID = 4
FEWER = BEHAVIOUR in ("greedy", "boaster")


def send(address: str, target: str = "/plaintext", connection: socket.socket | None = None) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = connection or socket.create_connection((host, int(port)), timeout=5)
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return connection


def ask(address: str, connection: socket.socket | None = None) -> socket.socket:
    connection = send(address, connection=connection)
    connection.recv(65536)
    return connection


def hold(options: argparse.Namespace) -> dict[str, object]:
    """All that it holds have asked before the first is answered."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    count, _, target = options.hold.partition(":")
    held = [send(options.address, target or "/plaintext") for _ in range(int(count) - FEWER)]
    for connection in held:
        connection.recv(65536)
    print(f"holding {count if BEHAVIOUR == 'boaster' else len(held)}", flush=True)
    signal.sigwait({signal.SIGINT})
    return {"problems": [], "held": {"asked": int(count), "closed_by_server": int(BEHAVIOUR == "loser")}}


def send_newcomers(options: argparse.Namespace) -> dict[str, object]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    count = 0
    while signal.sigtimedwait({signal.SIGINT}, 0.1) is None:
        ask(options.address).close()
        count += 1
    times = {"count": count, **TIMES}
    return {"problems": [], "lanes": [{"name": "newcomer", "outcomes": {"ok": count}, "latency": times}]}


def ask_all(options: argparse.Namespace) -> dict[str, object]:
    seconds = seconds_of(options.duration)
    requests = round(float(options.rate) * seconds) - (BEHAVIOUR == "short")
    connection = None
    for _ in range(requests):
        connection = ask(options.address, connection)
    times = {"count": requests, **TIMES}
    lane = {"connections": options.connections, "outcomes": {"ok": requests}, "latency": times, "service": times}
    problems = ["the schedule was not kept"] if BEHAVIOUR == "late" else []
    return {"duration_s": seconds, "elapsed_s": seconds, "problems": problems, "lanes": [lane]}


def seconds_of(duration: str) -> float:
    return float(duration[:-2]) / 1000 if duration.endswith("ms") else float(duration[:-1])


parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("target", nargs="?")
parser.add_argument("--version", action="version", version="quartet-pace fake 1.0")
parser.add_argument("-c", "--connections", type=int)
parser.add_argument("-d", "--duration")
parser.add_argument("--announce", action="store_true")
for name in ("--hold", "--rate", "--sources", "--json", "--grace", "--timeout", "--newcomer"):
    parser.add_argument(name)
arguments = parser.parse_args()
until_interrupted = hold if arguments.hold else send_newcomers if arguments.newcomer else None
print(json.dumps((until_interrupted or ask_all)(arguments), indent=2))
raise SystemExit(130 if until_interrupted else NOT_VALID if BEHAVIOUR == "late" else 0)
