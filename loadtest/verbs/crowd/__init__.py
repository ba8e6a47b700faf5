"""More keep-alive clients than a pool has workers."""
