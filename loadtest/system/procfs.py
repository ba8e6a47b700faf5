"""Small files of the kernel (procfs, sysfs, cgroupfs), which a container or a sandbox may hide."""

import re
from pathlib import Path

NUMBER = re.compile(r"^(\w+):?[ \t]+(\d+)( kB)?$", re.MULTILINE)


def text(path: Path) -> str:
    """ "" where it is hidden: by its absence, by a lack of permission, or by an empty file."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """None where it is hidden, or where a word stands for no limit."""
    found = text(path)
    return int(found) if found.lstrip("-").isdigit() else None


def numbers(content: str) -> dict[str, int]:
    """Lines of a name and a number, as in meminfo, status and memory.stat; kibibytes as bytes. Pure."""
    return {name: int(value) * (1024 if kibibytes else 1) for name, value, kibibytes in NUMBER.findall(content)}


def pairs(content: str, first: str) -> dict[str, int]:
    """Names and numbers by turns, on the line that begins with that word, as in sockstat; empty without it. Pure."""
    words: list[str] = next((line.split()[1:] for line in content.splitlines() if line.startswith(f"{first}: ")), [])
    return dict(zip(words[::2], map(int, words[1::2])))


def memberships(content: str) -> dict[str, str]:
    """From /proc/PID/cgroup, lines of "hierarchy:controllers:path" (cgroups(7)): of each controller the path below
    /sys/fs/cgroup; "" stands for version 2. A hierarchy is mounted under the names of all that share it. Pure."""
    found: dict[str, str] = {}
    for line in content.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), f"{controllers}/{path.strip('/')}".strip("/"))
    return found
