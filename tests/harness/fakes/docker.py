#!/usr/bin/python3
"""Stands in for the docker command line: an engine that answers, or does not, and has no images to pull.

FAKE_DOCKER=down: no engine runs; =forbidden: we may not use it; =full: its disk is; =elsewhere: it runs another kernel;
=old: it does not tell the version of its control groups; =bare: there is no base image. FAKE_DOCKER_CALLS names a file
that lists the calls; FAKE_DOCKER_CONTAINERS lists "id run" of containers.
"""

import json
import os
import platform
import sys
from pathlib import Path

BEHAVIOUR = os.environ.get("FAKE_DOCKER", "")
ERRORS = {
    "down": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "full": "the disk is full",
    "forbidden": "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
}


def info() -> dict[str, object]:
    if BEHAVIOUR in ERRORS:
        return {"ServerErrors": [ERRORS[BEHAVIOUR]]}
    kernel = "5.0-elsewhere" if BEHAVIOUR == "elsewhere" else platform.release()
    if BEHAVIOUR == "old":
        return {"ServerVersion": "19.03", "KernelVersion": kernel, "CPUSet": True, "MemoryLimit": True}
    answer = {"ServerVersion": "20.10", "CgroupVersion": "2", "CPUSet": True, "MemoryLimit": True}
    return {**answer, "KernelVersion": kernel}


def fail(sentence: str) -> None:
    print(f"Error response from daemon: {sentence}", file=sys.stderr)
    sys.exit(1)


with open(os.environ.get("FAKE_DOCKER_CALLS", os.devnull), "a", encoding="utf-8") as calls:
    print(*sys.argv[1:], file=calls)
match sys.argv[1]:
    case "info":
        print(json.dumps(info()))
    case "image" if BEHAVIOUR == "bare":
        fail("No such image: debian:trixie-slim")
    case "pull":
        fail("Get https://registry-1.docker.io/v2/: no route to host")
    case "build":
        print("Step 1/1 : FROM debian:trixie-slim\nE: Unable to locate package nonsense")
        sys.exit(1)
    case "inspect":
        state = {"Running": False, "Pid": 0, "ExitCode": 1, "OOMKilled": False}
        print(json.dumps([{"Id": "f543", "State": state}]))
    case "ps":
        print(Path(os.environ["FAKE_DOCKER_CONTAINERS"]).read_text(), end="")
