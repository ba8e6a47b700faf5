"""What draws the plots: two programs that are fetched when the servers are built, and that a page takes along."""

from pathlib import Path

from markupsafe import Markup

SCRIPTS = ("vega/build/vega.min.js", "vega-lite/build/vega-lite.min.js")  # the second needs the first
SOURCE_MAP = "//# sourceMappingURL="  # a browser would look for that file


def scripts(directory: Path) -> list[Markup]:
    """Each as the inside of a <script>; all or none of them."""
    paths = [directory / "node_modules" / name for name in SCRIPTS]
    if not all(path.is_file() for path in paths):
        return []
    return [Markup(_inside_script(path.read_text(encoding="utf-8"))) for path in paths]


def _inside_script(code: str) -> str:
    """In a string or a regular expression of JavaScript, a backslash before / or ! means nothing."""
    kept = "\n".join(line for line in code.splitlines() if not line.startswith(SOURCE_MAP))
    return kept.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def notices(directory: Path) -> list[tuple[str, str]]:
    """Of everything that is in them: whose licence it is, and its text; the same text once."""
    owners: dict[str, list[str]] = {}
    for path in sorted(directory.glob("node_modules/**/LICENSE*")):
        owners.setdefault(path.read_text(encoding="utf-8").strip(), []).append(path.parent.name)
    return [(", ".join(names), text) for text, names in owners.items()]
