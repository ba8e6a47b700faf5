"""All verbs that measure, a line for each."""

from loadtest.engine.measurement import register
from loadtest.verbs.crash.verb import CRASHES
from loadtest.verbs.load.verb import AA, LATENCY, THROUGHPUT
from loadtest.verbs.memory.verb import MEMORY
from loadtest.verbs.run.verb import RUN
from loadtest.verbs.schedulers.verb import SCHEDULER
from loadtest.verbs.tour.plan import TOUR
from loadtest.verbs.walk.verb import WALK

register(TOUR, THROUGHPUT, LATENCY, AA, MEMORY, SCHEDULER, WALK, CRASHES, RUN)
