"""loadtest/run"""

import sys

from loadtest.cli import commands

sys.exit(commands.run(main_job=True))
