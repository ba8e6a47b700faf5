"""Clients that misbehave, and have no class of their own in the load: arguments of quartet-pace, which is told when."""

from loadtest.verbs.crash.plan import CrashSettings

ABORTING = 1  # client, which comes a hundred times a second: several would be a load by themselves
FLOOD = 300  # connections at once: more than any pool here, and less than the queue of a listener
RETRIES = 4
CUT = "/bytes?n=16777216"  # more than the kernel takes, so that the server is still sending when the client leaves
UNREAD = "/bytes?n=4194304"  # holds a worker all the same; 18 of 16 MiB take a loop 0.3 s to make


def aborts(settings: CrashSettings, at: str) -> list[str]:
    return _rude(at, "abort", ABORTING, f":{CUT}")


def slow_headers(settings: CrashSettings, at: str) -> list[str]:
    """As many as a pool has workers, which other clients hold in part already."""
    return _rude(at, "slow-header", settings.workers)


def slow_readers(settings: CrashSettings, at: str) -> list[str]:
    return _rude(at, "slow-reader", settings.workers, f":{UNREAD}")


def flood(settings: CrashSettings, at: str) -> list[str]:
    return _rude(at, "flood", FLOOD)


def retries(settings: CrashSettings, at: str) -> list[str]:
    """Of the faulty request."""
    return ["--fault-retries", str(RETRIES)]


def nobody(settings: CrashSettings, at: str) -> list[str]:
    return []


def _rude(at: str, kind: str, count: int, target: str = "") -> list[str]:
    return ["--rude", f"{at}:{kind}={count}{target}"]
