#!/usr/bin/python3
"""Stands in for quartet-pace: holds idle connections until SIGINT, sends newcomers until then, or asks a schedule's
number of requests at once, of a closed loop 20, and stays for as long as the schedule.

FAKE_LIMITS=5000,90000: up to 5000/s it answers in time, and up to 90000/s it keeps its schedule; only one is sent.

FAKE_PACE=greedy holds one fewer than asked, =boaster too, but says that it holds all, =loser says at the end that the
server has closed one, =short answers one request fewer, =late could not keep the schedule.
"""

import argparse
import json
import os
import signal
import socket
import time

BEHAVIOUR = os.environ.get("FAKE_PACE", "")
NAMES = ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")
NOTHING: dict[str, object] = {"count": 0, "censored": 0}
NOT_VALID, OF_A_CLOSED_LOOP = 4, 20
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
    print("holding 0", flush=True)
    while signal.sigtimedwait({signal.SIGINT}, 0.1) is None:
        ask(options.address).close()
        count += 1
    return {"problems": [], "lanes": [{"name": "newcomer", **answered(count)}]}


def times_of(count: int, *milliseconds: float) -> dict[str, object]:
    return {"count": count, "censored": 0, **dict(zip(NAMES, milliseconds))} if count else NOTHING


def answered(count: int) -> dict[str, object]:
    """What a lane says of so many requests that were."""
    slow = -(-count // 50)  # 2 %: the 99th percentile is theirs
    fast = min(count - slow, (count + 1) // 2)
    histogram = [pair for pair in ([400_000, fast], [800_000, count - fast - slow], [1_500_000, slow]) if pair[1] > 0]
    mean = sum(time * number for time, number in histogram) / 1e6 / max(count, 1)
    times = times_of(count, mean, 0.4, 0.8, 1.5, 1.5, 1.5)
    latency = {"latency": times, "service": times, "latency_histogram": histogram, "patience_ms": 2000.0}
    in_time = {"answered_in_time": count, "ok_in_time": count}
    return {"outcomes": {"ok": count}, "closed_loop": None, **in_time, **latency}


def ask_all(options: argparse.Namespace) -> dict[str, object]:
    seconds, started = seconds_of(options.duration), time.monotonic()
    asked = OF_A_CLOSED_LOOP if options.closed else round(float(options.rate) * seconds)
    requests = asked - (BEHAVIOUR == "short")
    connection = None
    for _ in range(requests):
        connection = ask(options.address, connection)
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    lane = {"connections": options.connections, **answered(requests)}
    if options.closed:
        lane["closed_loop"] = {"window_s": seconds}
    problems = ["the schedule was not kept"] if BEHAVIOUR == "late" else []
    schedule = {"schedule": {"lateness_histogram": [] if options.closed else [[10_000, requests]]}}
    return {"duration_s": seconds, "elapsed_s": seconds, "problems": problems, "lanes": [lane], **schedule}


def ask_some(options: argparse.Namespace) -> dict[str, object]:
    """One request, in no time, as of a server and a client with known limits."""
    rate, seconds = float(options.rate), seconds_of(options.duration)
    server_limit, client_limit = map(float, os.environ["FAKE_LIMITS"].split(","))
    found = ask_all(argparse.Namespace(**{**vars(options), "rate": "1000", "duration": "1ms"}))
    [lane] = found["lanes"]
    slower = {name: (1 if rate <= server_limit else 300) * lane["latency"][name] for name in NAMES}
    lane["outcomes"], lane["latency"] = {"ok": round(rate * seconds)}, {**lane["latency"], **slower}
    found["problems"] = ["the schedule was not kept"] if rate > client_limit else []
    return found


def seconds_of(duration: str) -> float:
    return float(duration[:-2]) / 1000 if duration.endswith("ms") else float(duration[:-1])


parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("target", nargs="?")
parser.add_argument("--version", action="version", version="quartet-pace fake 1.0")
parser.add_argument("-c", "--connections", type=int)
parser.add_argument("-d", "--duration")
for name in ("--announce", "--closed", "--poisson", "--fresh"):
    parser.add_argument(name, action="store_true")
for name in (
    "--hold",
    "--rate",
    "--sources",
    "--json",
    "--grace",
    "--timeout",
    "--newcomer",
    "--seed",
    "--pipeline",
    "--tolerance",
):
    parser.add_argument(name)
arguments = parser.parse_args()
until_interrupted = hold if arguments.hold else send_newcomers if arguments.newcomer else None
asks = ask_some if "FAKE_LIMITS" in os.environ else ask_all
found = (until_interrupted or asks)(arguments)
print(json.dumps(found, indent=2))
raise SystemExit(130 if until_interrupted else NOT_VALID if found["problems"] else 0)
