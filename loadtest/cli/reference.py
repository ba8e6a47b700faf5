"""python3 -m loadtest.cli.reference [DIR]: takes that finished run as the reference, and fills READMEs from it; without
DIR fills them once more. Exit statuses: 0, 1 a file cannot be written, 2 the run cannot be taken."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.engine import folder
from loadtest.reference import readme, reference
from loadtest.system import ROOT
from loadtest.verbs import registry  # noqa: F401  every verb's results are in it

READMES = (ROOT / "README.md", ROOT / "loadtest/README.md")


def main(arguments: Sequence[str]) -> int:
    """Nothing is written before all of it could be made."""
    if len(arguments) > 1:
        return _fail("usage: python3 -m loadtest.cli.reference [DIR]", 2)
    try:
        taken = reference.files(folder.load(Path(arguments[0]))) if arguments else {}
        known = reference.of(json.loads(taken["results.json"])) if taken else reference.read(reference.HERE)
        taken |= {
            f"{name}.svg": reference.picture(known.figure(of), known.looks) for name, of in readme.PICTURES.items()
        }
        reference.refuse_large(taken)
        written = {reference.HERE / name: text for name, text in taken.items()}
        written |= {path: readme.filled(path.read_text(encoding="utf-8"), known) for path in READMES}
        for path, text in written.items():
            folder.replace(path, text)
    except ValueError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}", 1)
    return 0


def _fail(sentence: str, status: int) -> int:
    print(f"python3 -m loadtest.cli.reference: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
