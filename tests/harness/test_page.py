"""The page of a run, as text: what a browser would show of it, and what it must not take for HTML or script."""

from __future__ import annotations

import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import samples

from loadtest.document.document import (
    Axis,
    Caveat,
    Clause,
    Document,
    Mark,
    Plot,
    Scale,
    Section,
    Sentence,
    Shape,
    said,
    table,
)
from loadtest.engine import report
from loadtest.engine.run import Part
from loadtest.page import contents, libraries, looks, page, tables
from loadtest.system.cpus import CpuSets
from loadtest.verbs.walk.verb import WalkSettings

HOSTILE = "</script><script>alert(1)</script><!-- \"'> <img src=x onerror=alert(2)> {{ 7 * 7 }}"
NOWHERE = Path("/nowhere")
MARKS = (Mark("epoll", 16, 80_500.25, 79_000.0, 82_000.0, note=">="), Mark("threads", 64, 9.5, note="(2 disturbed)"))
PLOT = Plot(
    "rate", "Requests a second", "Higher is better.", Shape.lines, Axis("Clients"), Axis("Rate", "requests/s"), MARKS
)
SECTION = Section("How many?", table("", "requests/s"), ("A note.",), "throughput", (PLOT,), "Throughput")
DOCUMENT = Document(["On a machine."], [SECTION], words=[said("Epoll is first.", "throughput")], title="Which model?")


class Reader(html.parser.HTMLParser):
    """The elements of a page with their attributes, and the text in each kind of element."""

    VOID = ("meta", "br", "img", "link", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes what is not open"

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        found = [each for name, each in self.elements if name == tag]
        return [each for each in found if all(each.get(key) == value for key, value in attributes.items())]


def read(document: Document = DOCUMENT, directory: Path = NOWHERE) -> Reader:
    return Reader(page.render(document, directory))


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """A folder with stand-ins for the libraries."""
    for name in libraries.SCRIPTS:
        path = tmp_path / "node_modules" / name
        path.parent.mkdir(parents=True)
        path.write_text('draw("</script>", "<!--");\n//# sourceMappingURL=x.map\n')
        (path.parents[1] / "LICENSE").write_text("Free <for all>\n")
    return tmp_path


# --- its order


def test_the_answer_stands_first_and_each_clause_leads_to_its_section():
    both = Sentence((Clause("Epoll is first", "throughput"), Clause(", of five.")))
    text = page.render(replace(DOCUMENT, words=[both]), NOWHERE)
    assert '<li><a href="#throughput">Epoll is first</a>, of five.</li>' in text
    places = [text.index(f'id="{name}"') for name in ("answer", "validity", "machine", "chapter-1", "throughput")]
    assert places == sorted(places)


@pytest.mark.parametrize("section", ["", "nowhere"])
def test_a_clause_without_a_section_on_the_page_is_no_link(section):
    nameless = replace(SECTION, id="")
    found = read(replace(DOCUMENT, sections=[SECTION, nameless], words=[said("Nobody knows.", section)]))
    assert "Nobody knows." in "".join(found.texts["li"])
    assert not found.all("a", href=f"#{section}")


def test_sections_of_a_chapter_stand_together_where_the_first_of_them_stood():
    chapters = {"a": "Memory", "b": "Faults", "c": "Memory", "d": ""}
    sections = [Section(name, None, (), name, chapter=chapter) for name, chapter in chapters.items()]
    found = contents.chapters(contents.ordered(Document([], sections)))
    assert [(one.title, [part.id for part in one.parts]) for one in found] == [
        ("Memory", ["a", "c"]),
        ("Faults", ["b"]),
        (contents.REST, ["d"]),
    ]


def test_every_id_is_there_once_and_whatever_refers_to_one_finds_it():
    twice = [SECTION, SECTION, replace(SECTION, id="", plots=())]
    found = read(replace(DOCUMENT, sections=twice, commands=[("again", "ls")], method=["So."]))
    ids = [each["id"] for _, each in found.elements if each.get("id")]
    assert len(ids) == len(set(ids))
    named = ("aria-labelledby", "aria-describedby", "aria-details")
    references = [each[name] for _, each in found.elements for name in named if name in each]
    targets = [each["href"].removeprefix("#") for each in found.all("a")]
    assert references and targets and {*references, *targets} <= set(ids)


def test_headings_leave_no_level_out():
    levels = [int(tag[1]) for tag, _ in read().elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


# --- what must not be concluded


def test_notes_are_not_folded_where_nothing_else_is_to_be_seen():
    alone = replace(SECTION, table=None, plots=())
    assert not read(replace(DOCUMENT, sections=[alone])).all("details", **{"class": "notes"})
    assert read(replace(DOCUMENT, sections=[SECTION])).all("details", **{"class": "notes"})


def test_the_card_of_the_machine_stands_above_how_it_was_asked():
    text = page.render(replace(DOCUMENT, machine=[("CPU", "one")]), NOWHERE)
    assert text.index('<dl class="card">') < text.index("How it was asked") < text.index("On a machine.")


def test_examples_of_commands_are_folded_below_those_of_the_run():
    given = [("Example: A client", "wrk"), ("Measure this again", "ls")]
    text = page.render(replace(DOCUMENT, commands=given), NOWHERE)
    assert text.index("<dt>Measure this again") < text.index("Examples of servers") < text.index("<dt>A client")


def test_how_it_ended_is_said_once_in_what_limits_it():
    assert "INVALID epoll" not in page.render(replace(DOCUMENT, closing=["INVALID epoll"]), NOWHERE)


def test_a_caveat_says_its_kind_what_happened_and_what_not_to_conclude():
    caveat = Caveat("DISTURBED", "Others took 9 % of a CPU.", "Small differences mean nothing.")
    text = " ".join("".join(read(replace(DOCUMENT, caveats=[caveat])).texts["main"]).split())
    assert "DISTURBED Others took 9 % of a CPU. Small differences mean nothing." in text
    assert "Nothing was disturbed" not in text


def test_of_many_caveats_the_gravest_are_seen_at_once_and_all_of_them_are_there():
    caveats = [Caveat("INVALID", f"Reason {number}.") for number in range(8)]
    text = page.render(replace(DOCUMENT, caveats=caveats), NOWHERE)
    at_once, _, more = text.partition("<summary>3 more</summary>")
    assert re.findall(r"Reason (\d)", at_once) == list("01234") and re.findall(r"Reason (\d)", more) == list("567")
    assert "more</summary>" not in page.render(replace(DOCUMENT, caveats=caveats[:5]), NOWHERE)


def test_without_caveats_it_says_that_there_are_none():
    assert "Nothing was disturbed, repeated or invalid." in "".join(read(replace(DOCUMENT, watched=True)).texts["main"])


def test_where_nobody_looked_for_other_load_nothing_is_said_of_it():
    assert "Nothing was invalid." in "".join(read(replace(DOCUMENT, watched=False)).texts["main"])
    walk = Part("walk", WalkSettings(samples.MODELS, CpuSets((1,), (0,))))
    assert not report.document(samples.run(walk, verb="walk")).watched
    assert report.document(samples.trial_run()).watched


def test_three_ids_that_want_two_names_are_three():
    sections = [Section(name, None, (), name) for name in ("a", "a-2", "a")]
    [chapter] = contents.chapters(Document([], sections))
    assert [part.id for part in chapter.parts] == ["a", "a-2", "a-3"]


# --- what others have written stays text


def hostile_document() -> Document:
    marks = [Mark(HOSTILE, HOSTILE, 1.0, part=HOSTILE, note=HOSTILE)]
    plot = Plot("x", HOSTILE, HOSTILE, Shape.bars, Axis(HOSTILE, HOSTILE), Axis(HOSTILE), marks, commands=[HOSTILE])
    figures = table(HOSTILE, HOSTILE)
    figures.add_row(HOSTILE, HOSTILE)
    section = Section(HOSTILE, figures, [HOSTILE], HOSTILE, [plot], HOSTILE)
    pairs = [(HOSTILE, HOSTILE)]
    return Document(
        [HOSTILE], [section], [HOSTILE], [said(HOSTILE, HOSTILE)], title=HOSTILE, caveats=[Caveat(HOSTILE, HOSTILE)],
        machine=pairs, commands=pairs, method=[HOSTILE],
    )  # fmt: skip


def test_hostile_text_becomes_neither_an_element_nor_a_script():
    harmless, found = read(), read(hostile_document())
    assert len(found.all("script")) == len(harmless.all("script"))
    assert not found.all("img") and not any("onerror" in each for _, each in found.elements)
    assert not found.open, "every element is closed"
    shown = "".join(found.texts["main"])
    assert shown.count("<img src=x onerror=alert(2)>") >= 15 and "49" not in shown


def test_hostile_text_in_the_data_of_a_plot_comes_back_as_it_was():
    [plot] = json.loads(read(hostile_document()).texts["script"][0])["plots"]
    assert plot["marks"][0]["row"] == plot["title"] == HOSTILE


def test_bytes_that_are_no_text_do_not_stop_a_page():
    odd = replace(DOCUMENT, head=["caf\udce9"], sections=[replace(SECTION, notes=["caf\udce9"])])
    assert b"caf\xe9" in page.render(odd, NOWHERE).encode("utf-8", "surrogateescape")


# --- it needs nothing else


def test_it_loads_nothing_and_forbids_to(fetched):
    found = read(directory=fetched)
    assert not found.all("link") and not found.all("img") and not found.all("iframe")
    assert not any("src" in each for _, each in found.elements)
    assert not re.search(r"@import|url\(", "".join(found.texts["style"]))
    [policy] = [each["content"] for each in found.all("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none';") and "http" not in policy


def test_the_libraries_stay_inside_their_scripts_and_ask_for_no_source_map(fetched):
    found = read(directory=fetched)
    assert found.texts["script"][1:3] == ['draw("<\\/script>", "<\\!--");'] * 2
    assert "sourceMappingURL" not in page.render(DOCUMENT, fetched)


def test_the_licence_of_the_libraries_is_in_it_once(fetched):
    text = page.render(DOCUMENT, fetched)
    assert text.count("Free &lt;for all&gt;") == 1 and '<p class="owners">vega, vega-lite</p>' in text
    assert "Licences" not in page.render(DOCUMENT, NOWHERE)


def test_with_one_of_two_libraries_nothing_is_drawn_large(fetched):
    (fetched / "node_modules" / libraries.SCRIPTS[1]).unlink()
    assert len(read(directory=fetched).all("script")) == 2


# --- figures


def test_the_data_of_every_plot_is_in_it_once_with_how_it_is_drawn():
    data = json.loads(read().texts["script"][0])
    [plot] = data["plots"]
    assert plot["id"] == "rate" and "config" in data and "spec" in plot and "config" not in plot["spec"]
    known = {"row": "epoll", "x": 16, "y": 80500.25, "low": 79000.0, "high": 82000.0, "note": ">="}
    assert plot["marks"][0] == known, "without what it does not have"


def test_a_figure_has_a_number_that_finds_its_plot_in_the_data():
    others = [replace(SECTION, plots=(replace(PLOT, id=name),), chapter=name[0]) for name in ("a1", "b1", "a2")]
    found = read(replace(DOCUMENT, sections=others))
    plots = json.loads(found.texts["script"][0])["plots"]
    figures = [(each["data-number"], each["data-name"]) for each in found.all("figure")]
    assert figures == [(str(number), plot["id"]) for number, plot in enumerate(plots, start=1)]
    assert [name for _, name in figures] == ["a1", "a2", "b1"]


def test_a_figure_has_its_caption_its_table_its_commands_and_ways_to_save_it():
    found = read(replace(DOCUMENT, sections=[replace(SECTION, plots=(replace(PLOT, commands=["wrk -c16"]),))]))
    assert "Figure 1 Requests a second" in found.texts["h4"][0] and "Higher is better." in found.texts["figcaption"][0]
    [drawing] = found.all("div", role="img")
    assert drawing["aria-label"] == PLOT.title
    assert found.texts["code"][0] == "wrk -c16"
    assert [each["data-export"] for each in found.all("button")] == ["svg", "png"]


def test_what_can_be_wider_than_the_page_scrolls_by_the_keyboard_too():
    found = read()
    regions = found.all("div", role="region")
    assert len(regions) == len(found.all("table")) + len(found.all("div", role="img"))
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in regions)


# --- tables


def cells(plot: Plot) -> list[list[str]]:
    shown = tables.marks_table(plot)
    return [shown.heads, *([cell.text for cell in row] for row in shown.rows)]


def test_the_table_of_a_plot_has_its_numbers_under_the_names_of_its_axes():
    assert cells(PLOT) == [
        ["Name", "Clients", "Rate (requests/s)", "Low", "High", "Note"],
        ["epoll", "16", "80,500\u2008\u2007", "79,000", "82,000", ">="],
        ["threads", "64", "9.5", "", "", "(2 disturbed)"],
    ]


def test_a_column_in_which_nothing_stands_is_left_out():
    plain = replace(PLOT, marks=[Mark("epoll", y=1.0), Mark("threads", note="no number")])
    assert cells(plain)[0] == ["Name", "Rate (requests/s)", "Note"]
    assert cells(plain)[2] == ["threads", "", "no number"]


def test_a_zero_is_a_number_and_stands_in_the_table():
    assert cells(replace(PLOT, marks=[Mark("epoll", 0, 0.0)]))[1] == ["epoll", "0", "0"]


@pytest.mark.parametrize(
    ("value", "text"), [(180_991.4, "180,991"), (0.00412345, "0.004123"), (12.5, "12.5"), (61.1234, "61.12"), (7, "7")]
)
def test_a_number_has_four_digits_or_more(value, text):
    assert cells(replace(PLOT, marks=[Mark("epoll", y=value)]))[1][1] == text


def test_a_number_is_beside_its_text_as_it_was_measured():
    found = read()
    assert [each["value"] for each in found.all("data")] == ["16", "80500.25", "79000.0", "82000.0", "64", "9.5"]


def test_shares_of_a_tail_are_percents():
    shares = replace(
        PLOT, x=Axis("Share", scale=Scale.tail), marks=[Mark("epoll", 0.999, 1.0), Mark("epoll", 0.5, 1.0)]
    )
    assert [row[1] for row in cells(shares)] == ["Share (%)", "99.9", "50\u2008\u2007"]


def test_the_head_of_several_columns_stands_above_them():
    upper, lower = tables.head_rows(["", "memory\nat start", "\nbusy", "CPU"])
    assert upper == [tables.Head("", rows=2), tables.Head("memory", columns=2), tables.Head("CPU", rows=2)]
    assert [head.text for head in lower] == ["at start", "busy"]


@pytest.mark.parametrize("heads", [["", "a", "b"], ["x\ny", "\nb", "c\nd"], ["\na", "b", "\nc"], ["a\nb\nc", "\n"]])
def test_a_head_has_as_many_columns_as_its_table(heads):
    upper, *lower = tables.head_rows(heads)
    assert sum(head.columns for head in upper) == len(heads)
    assert all(len(row) == sum(head.columns for head in upper if head.rows == 1) for row in lower)


def test_a_table_without_heads_has_no_head():
    assert tables.head_rows(["", ""]) == []


def test_a_table_keeps_its_rules():
    figures = table("", "n")
    figures.add_row("a", "1")
    figures.add_rule()
    figures.add_row("b", "2")
    found = read(replace(DOCUMENT, sections=[replace(SECTION, table=figures, plots=())]))
    assert [each.get("class") for each in found.all("tr")] == [None, None, "rule"]


# --- colours

STYLE = page.PALETTE + (page.TEMPLATES / "style.css").read_text()
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#\w{6});", half)) for half in STYLE.split("prefers-color-scheme: dark"))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_graphics_stand_out(colours):
    assert {*LIGHT} == {*DARK} >= {*(f"model-{place}" for place in range(looks.MODELS))}
    for text in ("ink", "muted", "link", "warn"):
        assert min(contrast(colours[text], colours[ground]) for ground in ("paper", "raised")) >= 4.5, text
    for name, colour in colours.items():
        if name.startswith("model-"):
            assert contrast(colour, colours["paper"]) >= 3, name
        if name.startswith("harm-"):
            assert contrast(colour, colours["ink"]) >= 4.5, name


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_the_name_of_a_part_can_be_read_on_the_darkest_bar_of_every_model(colours):
    def mixed(colour: str, share: float) -> str:
        pairs = [(int(colour[at : at + 2], 16), int(colours["paper"][at : at + 2], 16)) for at in (1, 3, 5)]
        return "#" + "".join(f"{round(share * one + (1 - share) * other):02x}" for one, other in pairs)

    for name, colour in colours.items():
        if name.startswith("model-"):
            assert contrast(mixed(colour, looks.opacities(2)[0]), colours["ink"]) >= 4.5, name
