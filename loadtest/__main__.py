from loadtest.job.cli import app

app(prog_name="loadtest/run")
