"""Pages of made-up runs, in headless Chromium, which is driven over WebDriver."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/harness"), str(Path(__file__).parent)]

BINARIES = ROOT / "build/release/bin"  # of the harness's samples, which ask for it here

import pages  # noqa: E402
from browser import Browser  # noqa: E402

from loadtest.verbs import registry  # noqa: E402, F401  runs of all verbs can be shown


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All pages, by name."""
    return pages.write_all(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module", params=sorted(pages.DOCUMENTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened(name: str, browser: Browser, written: dict[str, Path]) -> Browser:
    browser.open(written[name])
    return browser


@pytest.fixture
def page(opened: Browser) -> Browser:
    """Each of them in turn, drawn, as wide as a desk's screen, in light colours, and as nobody has touched it."""
    opened.restore()
    return opened
