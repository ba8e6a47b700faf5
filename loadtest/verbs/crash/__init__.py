"""A fault in one request, under a light load."""
