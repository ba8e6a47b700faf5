#!/usr/bin/python3
"""Stands in for wrk: a few requests in no time, reported like wrk.lua does. FAKE_WRK=errors reports some."""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit

if "-v" in sys.argv:
    print("wrk fake-1.0")
    sys.exit(1)

url = urlsplit(next(argument for argument in sys.argv if argument.startswith("http://")))
connection = http.client.HTTPConnection(url.netloc, timeout=5)
REQUESTS, received = 20, 0
for _ in range(REQUESTS):
    connection.request("GET", url.path + "?" + url.query)
    received += len(connection.getresponse().read())
errors = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
if os.environ.get("FAKE_WRK") == "errors":
    errors["read"] = 3
print("Running a test")
report = {"requests": REQUESTS, "bytes": received, "duration_us": 200000, "errors": errors}
print(json.dumps(report | {"latency_us": [[500, 19], [900, 1]]}))
