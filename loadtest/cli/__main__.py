"""loadtest/quartet"""

import sys

from loadtest.cli import commands

sys.exit(commands.run())
