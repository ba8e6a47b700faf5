#!/usr/bin/python3
"""Stands in for quartet-pace: a few requests in no time, reported like its --json. FAKE_PACE=late could not keep the
schedule."""

import argparse
import http.client
import json
import os
import sys

LATE = os.environ.get("FAKE_PACE") == "late"
REQUESTS = 20

parser = argparse.ArgumentParser()
parser.add_argument("--version", action="version", version="quartet-pace fake 1.0")
for name in ("server", "target", "--timeout", "--grace", "--json"):
    parser.add_argument(name)
parser.add_argument("--rate", type=float)
parser.add_argument("-c", dest="connections", type=int)
parser.add_argument("-d", dest="duration")
parser.add_argument("--fresh", action="store_true")
options = parser.parse_args()

connection = http.client.HTTPConnection(options.server, timeout=5)
for _ in range(REQUESTS):
    connection.request("GET", options.target)
    connection.getresponse().read()
milliseconds = {"mean": 0.5, "p50": 0.4, "p90": 0.8, "p99": 1.5, "p99_9": 2.5, "max": 3.0}
times = {"count": REQUESTS, **{f"{name}_ms": value for name, value in milliseconds.items()}}
lane = {
    "connections": options.connections,
    "outcomes": {"ok": REQUESTS, "refused": 0},
    "latency": times,
    "service": times,
}
seconds = float(options.duration.rstrip("s"))
problems = ["the schedule was not kept"] if LATE else []
print(json.dumps({"duration_s": seconds, "elapsed_s": seconds, "problems": problems, "lanes": [lane]}))
sys.exit(4 if LATE else 0)
