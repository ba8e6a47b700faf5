"""How a program ends: with an exit status, and mostly with a sentence."""

from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    ok = 0
    failed = 1
    usage = 2
    gate = 3
    invalid = 4
    environment = 5
    interrupted = 130


class Stop(Exception):
    """The end, with a sentence for stderr."""

    def __init__(self, status: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def sentence(error: OSError, otherwise: Path | None = None) -> str:
    """@param otherwise: what it may have been about, where the system does not tell, as in writing to a full disk."""
    what = error.filename or otherwise
    reason = error.strerror or str(error)
    return f"{what}: {reason}" if what else reason
