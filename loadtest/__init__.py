"""The harness: wrk against every concurrency model, and one crash each. See README.md."""
