"""A document as one page of HTML that needs no network: text, tables, and plots with their data. Of ours it imports
document alone."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from loadtest.document.document import Document, Mark
from loadtest.page import contents, glossary, libraries, tables, vega

TEMPLATES = Path(__file__).parent / "templates"
PALETTE = (TEMPLATES / "palette.css").read_text(encoding="utf-8")  # also of drawings outside a page


def render(document: Document, directory: Path, has_results: bool = False) -> str:
    """`directory` has the libraries that draw; where they are not there, the plots are small and do not move. Whether a
    results.json beside the page has its figures, who saved them knows."""
    document = contents.ordered(document)
    whole, examples = contents.commands(document)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"head_rows": tables.head_rows, "marks_table": tables.marks_table}
    return environment.get_template("page.html.j2").render(
        document=document,
        has_results=has_results,
        chapters=contents.chapters(document),
        targets={section.id for section in document.sections if section.id},
        whole_commands=whole,
        examples=examples,
        words=glossary.words_of(contents.texts(document)),
        style=Markup(PALETTE) + _own("style.css"),
        script=_own("page.js"),
        data=Markup(_data(document)),
        libraries=libraries.scripts(directory),
        notices=libraries.notices(directory),
    )


def _own(name: str) -> Markup:
    """It is ours, and neither HTML nor a template."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _data(document: Document) -> str:
    plots = [
        {
            "id": plot.id,
            "title": plot.title,
            "marks": [*map(_told, plot.marks)],
            "spec": vega.spec(plot, document.looks),
        }
        for plot in document.plots
    ]
    # inside <script> nothing but the end tag and comments have a meaning, and both begin with <
    data = {"config": vega.CONFIG, "plots": plots}
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _told(mark: Mark) -> dict[str, Any]:
    """Without what it does not have: there are thousands."""
    return {name: value for name, value in asdict(mark).items() if value not in ("", None)}
