#!/usr/bin/python3
"""Stands in for quartet-pace: holds idle connections until SIGINT, or asks a schedule's number of requests at once.

FAKE_PACE=greedy holds one fewer than asked, =loser says at the end that the server has closed one, =short answers one
request fewer.
"""

import argparse
import json
import os
import signal
import socket

BEHAVIOUR = os.environ.get("FAKE_PACE", "")


def ask(address: str, connection: socket.socket | None = None) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = connection or socket.create_connection((host, int(port)), timeout=5)
    connection.sendall(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.recv(65536)
    return connection


def hold(options: argparse.Namespace) -> dict[str, object]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    held = [ask(options.address) for _ in range(options.hold - (BEHAVIOUR == "greedy"))]
    print(f"holding {len(held)}", flush=True)
    signal.sigwait({signal.SIGINT})
    return {"problems": [], "held": {"closed_by_server": int(BEHAVIOUR == "loser")}}


def ask_all(options: argparse.Namespace) -> dict[str, object]:
    requests = round(float(options.rate) * int(options.duration.removesuffix("ms")) / 1000) - (BEHAVIOUR == "short")
    connection = None
    for _ in range(requests):
        connection = ask(options.address, connection)
    return {"problems": [], "lanes": [{"outcomes": {"ok": requests}}]}


parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("target", nargs="?")
parser.add_argument("-c", "--connections")
parser.add_argument("-d", "--duration")
parser.add_argument("--hold", type=int, default=0)
parser.add_argument("--announce", action="store_true")
for name in ("--rate", "--sources", "--json", "--grace"):
    parser.add_argument(name)
arguments = parser.parse_args()
print(json.dumps(hold(arguments) if arguments.hold else ask_all(arguments), indent=2))
raise SystemExit(130 if arguments.hold else 0)
