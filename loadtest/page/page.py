"""A document as one page of HTML that needs no network: text, tables, and plots with their data. Of ours it imports
document alone."""

import json
from dataclasses import asdict
from pathlib import Path

import jinja2
from markupsafe import Markup

from loadtest.document.document import Document
from loadtest.page import contents, glossary, libraries, tables, vega

TEMPLATES = Path(__file__).parent / "templates"


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
        style=_own("style.css"),
        script=_own("page.js"),
        data=Markup(_data(document)),
        libraries=libraries.scripts(directory),
        notices=libraries.notices(directory),
    )


def _own(name: str) -> Markup:
    """It is ours, and neither HTML nor a template."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def _data(document: Document) -> str:
    plots = [{**asdict(plot), "spec": vega.spec(plot, document.looks)} for plot in document.plots]
    # inside <script> nothing but the end tag and comments have a meaning, and both begin with <
    return json.dumps(plots, allow_nan=False).replace("<", "\\u003c")
