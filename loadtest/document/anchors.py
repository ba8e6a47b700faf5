"""What links on a page refer to: small letters, digits and dashes. Pure."""

import re
from collections.abc import Iterable


def slug(text: str) -> str:
    """ "spin?ms=300": "spin-ms-300". Of a text without any letter or digit it is "x"."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def slugs(texts: Iterable[str]) -> dict[str, str]:
    """One for each text. Texts that differ have slugs that differ."""
    unlike = list(dict.fromkeys(texts))
    return dict(zip(unlike, distinct(map(slug, unlike))))


def distinct(names: Iterable[str]) -> list[str]:
    """As many names, and none is there twice: the later ones get a number that nobody has."""
    found: list[str] = []
    for name in names:
        one, number = name, 1
        while one in found:
            number += 1
            one = f"{name}-{number}"
        found.append(one)
    return found
