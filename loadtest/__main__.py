"""loadtest/run"""

import sys

from loadtest.cli import commands

sys.exit(commands.run(commands.main_job))
