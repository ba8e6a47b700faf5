"""Idle connections, and what a fork shares."""
