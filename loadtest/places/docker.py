"""The Docker engine, through its command line."""

import json
import platform
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.system import output
from loadtest.system.processes import Finished, ProcessError, run, run_shown
from loadtest.system.repository import ROOT

DOCKERFILE = ROOT / "docker/Dockerfile"
LABEL = "quartet.run"  # its value: the run that the container belongs to
PATIENCE = 60.0  # seconds; the engine may be busy with others' containers

# What to do about an engine that does not answer, by words of its client, in small letters.
NOT_RUNNING = (
    "the Docker engine is not running; sudo systemctl start docker, or without systemd sudo dockerd --bridge=none &"
)
REMEDIES = {
    "permission denied": "you may not use the Docker engine; sudo usermod --append --groups docker $USER, and log in "
    "again (whoever is in that group can become root)",
    "cannot connect": NOT_RUNNING,
    "daemon running": NOT_RUNNING,
}


@dataclass(frozen=True)
class State:
    """How a container is, from `docker inspect`."""

    id: str
    running: bool
    pid: int  # on the engine's machine; 0 when it does not run
    status: int  # exit status, or minus the signal's number
    out_of_memory: bool


def parse_state(text: str) -> State:
    (document,) = json.loads(text)
    state = document["State"]
    code = state["ExitCode"]
    status = 128 - code if 128 < code < 128 + 65 else code  # as in a shell: 128 + signal; our servers exit with less
    return State(document["Id"], state["Running"], state["Pid"], status, state["OOMKilled"])


def docker(*arguments: str, timeout: float = PATIENCE) -> Finished:
    return run(["docker", *arguments], timeout)


def _info() -> dict[str, Any]:
    """Raises ProcessError with the engine's error: older clients print it and exit with 0."""
    info: dict[str, Any] = json.loads(docker("info", "--format", "{{json .}}").stdout)
    if errors := info.get("ServerErrors"):
        raise ProcessError(errors[0])
    return info


def version() -> str:
    """Of the engine and of its control groups, which old engines do not tell."""
    info = _info()
    return f"Docker {info['ServerVersion']} (cgroup v{info.get('CgroupVersion', '1')})"


def missing() -> str:
    """One sentence that says what to do when containers cannot be measured here; else nothing."""
    if not shutil.which("docker"):
        return "docker is not installed; apt-get install docker.io, or measure without: --runner local"
    try:
        found = _info()
    except ProcessError as error:
        known = (remedy for words, remedy in REMEDIES.items() if words in str(error).lower())
        return next(known, f"the Docker engine does not work: {error}")
    if found["KernelVersion"] != platform.release():
        return (
            f"the Docker engine runs on another machine, or in a virtual one (Linux {found['KernelVersion']}; here "
            f"{platform.release()}), where we see no process; use an engine on this machine, or --runner local"
        )
    if not (found["CPUSet"] and found["MemoryLimit"]):
        return "the Docker engine cannot limit CPUs and memory here; give it the controllers cpuset and memory"
    return ""


def missing_base_image() -> str:
    """Pulls it where it is not here. One sentence with what to do when that fails; else nothing."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()  # the one place that names it
    image = next(line.removeprefix("ARG BASE=") for line in lines if line.startswith("ARG BASE="))
    try:
        docker("image", "inspect", image)
        return ""
    except ProcessError:
        output.tell(f"pulling {image}")
    try:
        docker("pull", "--quiet", image, timeout=300)
        return ""
    except ProcessError as error:
        reason = str(error).rpartition(": Error response from daemon: ")[2]
        return f"the image {image} is not here, nor can it be pulled ({reason}); make it with docker/base-image"


def build(target: str) -> str:
    """Makes an image as far as Docker's cache has no current one; returns its id. Raises ProcessError."""
    tag, started = f"quartet-{target}", time.monotonic()
    output.tell(f"building the image {tag}")
    # the host's network: the engine may have no other, and a proxy may listen on this machine's loopback
    proxies = [word for name in ("http_proxy", "https_proxy", "no_proxy") for word in ("--build-arg", name)]
    dockerfile = ["--file", str(DOCKERFILE), "--target", target, "--tag", tag]
    run_shown(["docker", "build", "--network", "host", *proxies, *dockerfile, str(ROOT)], 3600, _show)
    _show("")
    output.tell(f"built in {time.monotonic() - started:.0f} s")
    return docker("image", "inspect", "--format", "{{.Id}}", tag).stdout.strip()


def _show(line: str) -> None:
    """On one line of a terminal; elsewhere nothing."""
    if sys.stderr.isatty():
        output.tell(f"\r\x1b[K{line[:100]}", end="")


def create(name: str, options: Sequence[str], image: str, argv: Sequence[str]) -> str:
    """A container that is not started. Returns the command. An interruption waits until it is on record, or it could
    come to be after everything was tidied up."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return docker("create", "--name", name, *options, image, *argv).command
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def inspect(name: str) -> State:
    return parse_state(docker("inspect", "--type", "container", name).stdout)


def remove(*names: str) -> None:
    """Ends and removes them; those that are gone already do not matter."""
    run(["docker", "rm", "--force", "--volumes", *names], PATIENCE, good=(0, 1))


def labelled() -> dict[str, str]:
    """The runs that containers belong to, by the containers' ids; ended containers too."""
    template = '{{.ID}} {{.Label "' + LABEL + '"}}'
    listed = docker("ps", "--all", "--no-trunc", "--filter", f"label={LABEL}", "--format", template).stdout
    return dict(line.split(maxsplit=1) for line in listed.splitlines())
