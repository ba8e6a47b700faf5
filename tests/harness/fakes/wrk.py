#!/usr/bin/python3
"""Stands in for wrk: a few requests, in as long as it was asked for, reported like wrk.lua does.

FAKE_WRK=errors reports some. FAKE_WRK_HELD names a file, and FAKE_WRK_RESULTS a results.json: once that has two
trials (or FAKE_WRK_HELD_AFTER), this leaves the file and waits for SIGUSR1.
"""

import http.client
import json
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def option(letter: str) -> int:
    return int(next(argument for argument in sys.argv if argument.startswith(f"-{letter}"))[2:].rstrip("s"))


if "-v" in sys.argv:
    print("wrk fake-1.0 [epoll] Copyright")
    sys.exit(1)

started = time.monotonic()


def trials() -> int:
    return len(json.loads(Path(os.environ["FAKE_WRK_RESULTS"]).read_text())["parts"][0]["results"])


if "FAKE_WRK_HELD" in os.environ and trials() == int(os.environ.get("FAKE_WRK_HELD_AFTER", 2)):
    signal.signal(signal.SIGUSR1, lambda *_: None)
    Path(os.environ["FAKE_WRK_HELD"]).touch()
    signal.pause()

url = urlsplit(next(argument for argument in sys.argv if argument.startswith("http://")))
# all of them, in turn: /stats may be asked how many clients have a worker
connections = [http.client.HTTPConnection(url.netloc, timeout=5) for _ in range(option("c"))]
REQUESTS, DURATION, received = 20, option("d") * 1_000_000, 0
for number in range(REQUESTS):
    connection = connections[number % len(connections)]
    connection.request("GET", url.path + "?" + url.query)
    received += len(connection.getresponse().read())
time.sleep(max(0, started + option("d") - time.monotonic()))
errors = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
if os.environ.get("FAKE_WRK") == "errors":
    errors["read"] = 3
print("Running a test")
report = {"requests": REQUESTS, "bytes": received, "duration_us": DURATION, "errors": errors}
# as Little's law has it: every connection waits all the time
print(json.dumps(report | {"latency_us": [[option("c") * DURATION // REQUESTS, REQUESTS]]}))
