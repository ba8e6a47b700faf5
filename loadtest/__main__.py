"""loadtest/run"""

import sys

from loadtest.cli import commands, program

sys.exit(program.run(commands.main_job))
