"""The machine card: what can be measured here."""
