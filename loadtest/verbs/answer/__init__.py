"""Which model for which job, and why: sentences that follow from the figures by rules that are data."""
