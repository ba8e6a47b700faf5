"""Numbers and what may be said of them. Pure."""
