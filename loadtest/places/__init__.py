"""Where servers and clients run: this machine as it is, or containers."""
