"""Becomes the command that follows, whose stderr is a pipe that is full and that nobody reads.

The pipe's other end stays open in the command, unread: closed, it would make a write fail at once (EPIPE) in place of
waiting.
"""

import os
import sys


def main() -> None:
    unread, full = os.pipe()
    os.set_inheritable(unread, True)
    os.set_blocking(full, False)
    try:
        for size in (1 << 16, 1):  # by pages first; then what is left of the last one
            while os.write(full, b"." * size):
                pass
    except BlockingIOError:
        pass
    os.set_blocking(full, True)  # a careless writer waits for ever
    os.dup2(full, 2)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
