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

url = urlsplit(sys.argv[-1])
connection = http.client.HTTPConnection(url.netloc, timeout=5)
REQUESTS = 20
for _ in range(REQUESTS):
    connection.request("GET", url.path + "?" + url.query)
    connection.getresponse().read()
errors = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
if os.environ.get("FAKE_WRK") == "errors":
    errors["read"] = 3
print("Running a test")
print(json.dumps({"requests": REQUESTS, "duration_us": 200000, "errors": errors, "latency_us": [[500, 19], [900, 1]]}))
