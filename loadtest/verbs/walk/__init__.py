"""The system calls of one request."""
