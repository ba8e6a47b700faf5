"""What a program says: tables on stdout, the rest on stderr. Either may be closed, full, gone, or know no UTF-8."""

import codecs
import io
import os
import sys
import typing


class OutputError(Exception):
    """One sentence: why stdout takes nothing more."""


def prepare() -> None:
    """Before anything else. A stdout that was closed fails when it is written to, and is no other file's number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor == 1 else os.O_RDWR)  # gets the lowest free number
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    codecs.register_error("quartet", _plain)
    typing.cast(io.TextIOWrapper, sys.stdout).reconfigure(errors="quartet")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that stdout's encoding does not have: "-" for the lines of tables."""
    assert isinstance(error, UnicodeEncodeError)
    letters = error.object[error.start : error.end]
    return "".join("-" if "\u2500" <= letter < "\u2580" else "?" for letter in letters), error.end


def show(text: str) -> None:
    """On stdout. Raises OutputError."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _discard(1)
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def problem() -> str:
    """Why stdout does not take what is still in its buffer; mostly ""."""
    try:
        show("")
        return ""
    except OutputError as error:
        return str(error)


def tell(text: str, end: str = "\n") -> None:
    """On stderr, as far as that takes it: no measurement ends because nobody listens."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        _discard(2)


def _discard(descriptor: int) -> None:
    """What is still in the buffer would fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
