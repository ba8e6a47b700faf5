import sys

from loadtest import command
from loadtest.job.cli import app

sys.exit(command.run(app))
