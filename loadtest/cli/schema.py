"""Writes loadtest/results.schema.json: python3 -m loadtest.cli.schema, from the repository's root."""

from loadtest.engine import schema
from loadtest.verbs import registry  # noqa: F401  every verb's results are in it

if __name__ == "__main__":
    schema.PUBLISHED.write_text(schema.text())
