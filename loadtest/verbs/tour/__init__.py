"""The main job, loadtest/run."""
