"""Elements of a small drawing, as text. Places and sizes are in units of the drawing. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from loadtest.page.looks import CELL, INK, MUTED, PAPER

NAME = 28  # letters of a row's name
SYMBOLS = {
    "square": "M-4-4H4V4H-4Z",
    "triangle-up": "M0-5L5 4H-5Z",
    "triangle-down": "M0 5L5-4H-5Z",
    "triangle-right": "M5 0L-4-5V5Z",
    "triangle-left": "M-5 0L4-5V5Z",
    "diamond": "M0-5.5L4.5 0L0 5.5L-4.5 0Z",
    "cross": "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",
}
# Attributes of groups.
THIN = f'fill-opacity="{CELL}" stroke="{MUTED}" stroke-width="0.4"'
CENTRED = f'text-anchor="middle" fill="{INK}"'


def n(value: float) -> str:
    """A number, to a hundredth, without zeros at its end."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def text(x: float, y: float, content: str, anchor: str = "start", colour: str = INK, more: str = "") -> str:
    return f'<text x="{n(x)}" y="{n(y)}" text-anchor="{anchor}" fill="{colour}"{more}>{escape(content)}</text>'


def short(name: str) -> str:
    """All of it is in the table beside the drawing."""
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}" stroke="{colour}"{more}/>'


def rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f'<rect x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}" fill="{fill}"{more}/>'


def symbol(x: float, y: float, kind: str, colour: str, filled: bool) -> str:
    return "".join(symbols([(x, y)], kind, colour, filled))


def symbols(places: Iterable[tuple[float, float]], kind: str, colour: str, filled: bool) -> Iterator[str]:
    return group((form(x, y, kind) for x, y in places), f'fill="{colour if filled else PAPER}" stroke="{colour}"')


def form(x: float, y: float, kind: str) -> str:
    """A symbol of a group, which says its colours."""
    if kind == "circle":
        return f'<circle cx="{n(x)}" cy="{n(y)}" r="4"/>'
    return f'<path transform="translate({n(x)} {n(y)})" d="{SYMBOLS[kind]}"/>'


def group(several: Iterable[str], attributes: str) -> Iterator[str]:
    """Of many that are alike: there may be thousands."""
    yield from (f"<g {attributes}>", *several, "</g>")


# Where, how wide and how high; its fill, and what else it has.
Field = tuple[float, float, float, float, str, str]


def fields(several: Iterable[Field]) -> Iterator[str]:
    """Rectangles: those that look alike are one path."""
    alike: dict[tuple[str, str], list[str]] = {}
    for x, y, width, height, fill, more in several:
        outline = f"M{n(x)} {n(y)}h{n(width)}v{n(height)}h-{n(width)}z"
        alike.setdefault((fill, more), []).append(outline)
    return group((f'<path d="{"".join(each)}" fill="{fill}"{more}/>' for (fill, more), each in alike.items()), THIN)


def dashed(dash: Sequence[int]) -> str:
    return f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash[1] else ""


def bound(x: float, y: float) -> str:
    return text(x, y, "≥", "middle", more=' font-weight="bold"')


def words(x: float, y: float, content: str) -> str:
    """A text of a group, which says where it is anchored and its colour."""
    return f'<text x="{n(x)}" y="{n(y)}">{escape(content)}</text>'
