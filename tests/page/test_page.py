"""What a reader meets: every page, drawn by a browser."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pages
import pytest
from browser import DESK, PHONE, TAB, Browser

LARGEST = 3 << 20  # bytes of the page of a full run
STOPS = 40  # of the keyboard


def test_every_plot_is_drawn_and_no_mark_is_empty(page: Browser) -> None:
    assert page.ask("emptyMarks") == []


def test_the_console_stays_empty(page: Browser) -> None:
    assert page.complaints() == []


def test_nothing_is_asked_of_a_network(page: Browser) -> None:
    assert page.requests() == []


@pytest.mark.parametrize("width", [PHONE, 768, DESK])
def test_nothing_reaches_over_the_edge(page: Browser, width: int) -> None:
    page.width(width)
    assert page.ask("tooWide") == []
    page.unfold()
    assert page.ask("tooWide") == []


@pytest.mark.parametrize(("scheme", "medium"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_every_text_can_be_told_from_what_lies_behind_it(page: Browser, scheme: str, medium: str) -> None:
    page.colours(scheme, medium)
    page.unfold()
    assert page.ask("pale") == []


def test_the_table_beside_a_plot_has_what_it_draws(page: Browser) -> None:
    for plot in page.ask("plots"):
        assert len(plot["rows"]) == len(plot["marks"]), plot["id"]
        for row, mark in zip(plot["rows"], plot["marks"]):
            values = [mark[name] for name in ("x", "y", "low", "high")]
            numbers = [value for value in values if isinstance(value, (int, float))]
            assert (row["name"], row["numbers"]) == (mark["row"].strip(), numbers), plot["id"]


def test_a_plot_draws_what_its_data_say(page: Browser, name: str) -> None:
    if name != pages.WITHOUT_LIBRARIES:  # small drawings keep no data
        assert page.ask("differing") == []


def test_links_lead_to_something(page: Browser) -> None:
    assert page.ask("lostLinks") == []


def test_ids_are_unique(page: Browser) -> None:
    ids = page.ask("ids")
    assert sorted(ids) == sorted(set(ids))


# --- by keyboard, by screen reader


def test_the_keyboard_comes_by_everything_in_the_order_in_which_it_is_read(page: Browser) -> None:
    places = []
    for _ in range(STOPS):
        page.press(TAB)
        place, outlined, what = page.ask("focus")
        if what.startswith("<body"):
            break  # past the last
        assert outlined, what
        places.append(place)
    once = places[: places.index(max(places)) + 1]  # then it begins anew
    assert all(one < other for one, other in pairwise(once))


def test_the_first_stop_leads_past_the_navigation(page: Browser) -> None:
    page.press(TAB)
    assert page.run("return document.querySelector(document.activeElement.hash).closest('main') !== null")


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_keyboard_stops_at_what_scrolls_and_at_nothing_that_does_not(page: Browser, width: int) -> None:
    page.unfold()
    page.width(width)
    assert page.ask("wrongStops") == []


def test_no_two_of_a_kind_have_the_same_name(page: Browser) -> None:
    names = page.run("return [...document.querySelectorAll('main summary')].map(one => one.textContent.trim())")
    assert sorted(names) == sorted(set(names))


def test_everything_has_a_name_for_a_screen_reader(page: Browser) -> None:
    assert page.ask("nameless") == []
    assert page.run("return document.documentElement.lang") == "en"


def test_headings_skip_no_level(page: Browser) -> None:
    levels = page.run("return [...document.querySelectorAll('h1, h2, h3, h4, h5')].map(one => +one.tagName[1])")
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_each_table_says_what_its_rows_are(page: Browser) -> None:
    assert page.ask("bareTables") == []


# --- on paper


def test_on_paper_nothing_is_folded_but_the_tables_of_figures_and_there_is_nothing_to_press(page: Browser) -> None:
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    page.colours("dark", "print")
    assert page.ask("visible", "nav, button") == 0
    assert page.ask("visible", "figure :is(table, pre)") == 0
    assert page.ask("folded", "main table") == page.ask("folded", "figure table")
    assert page.ask("folded", ".notes li, #commands pre") == 0
    assert page.run("return getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )


# --- exports


@pytest.fixture
def complete(browser: Browser, written: dict[str, Path]) -> Browser:
    browser.open(written["complete"])
    return browser


def test_a_plot_can_be_taken_along_as_svg_with_its_colours(complete: Browser) -> None:
    kind, data = complete.await_("exported", "SVG")
    text = bytes(data).decode()
    assert kind.startswith("image/svg+xml") and "<svg" in text[:200]
    assert "var(" not in text


def test_a_plot_that_is_taken_along_has_its_title_and_that_of_its_page(complete: Browser) -> None:
    _, data = complete.await_("exported", "SVG")
    said = [one.text for one in ElementTree.fromstring(bytes(data).decode())[:3]]
    title, page = complete.run("return [plots[0].title, document.querySelector('h1').textContent]")
    assert said[:2] == [title, title] and page in str(said[2])


def test_a_plot_can_be_taken_along_as_png(complete: Browser) -> None:
    kind, data = complete.await_("exported", "PNG")
    assert kind == "image/png" and bytes(data).startswith(b"\x89PNG")


# --- what came from outside, and sizes


def test_strings_from_outside_are_text(browser: Browser, written: dict[str, Path]) -> None:
    browser.open(written["hostile"])
    assert browser.run("return window.harmed ?? null") is None
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert "onerror='window.harmed = 1'" in browser.run("return document.body.textContent")


def test_the_page_of_a_run_is_small(written: dict[str, Path]) -> None:
    sizes = {name: path.stat().st_size for name, path in written.items()}
    assert max(sizes.values()) < LARGEST, sizes


def test_without_libraries_there_is_a_small_drawing_of_each_plot(browser: Browser, written: dict[str, Path]) -> None:
    browser.open(written[pages.WITHOUT_LIBRARIES])
    assert browser.ask("visible", "figure.plot .drawing svg") == len(browser.ask("plots")) > 0
