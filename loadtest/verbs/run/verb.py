"""The verb run: all measurements in one folder and on one page."""

from loadtest.engine.measurement import Verb
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.load.verb import LOAD
from loadtest.verbs.memory.verb import IDLE, SHARING
from loadtest.verbs.run import report
from loadtest.verbs.schedulers.measure import SCHEDULERS
from loadtest.verbs.sweep.measure import SWEEP
from loadtest.verbs.walk.verb import WALKS

RUN = Verb(
    "run",
    (LOAD, IDLE, SHARING, WALKS, CRASH, SWEEP, SCHEDULERS),
    report.sections,
    report.head,
    report.status,
    words=report.words,
    title="Which concurrency model, and why?",
    first=report.first,
)
