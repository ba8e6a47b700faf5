"""Cells under load: throughput, latency, and what they cost."""
