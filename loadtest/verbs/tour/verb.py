"""The main job: a preset of all measurements."""

from loadtest.engine.measurement import Verb
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crowd.measure import CROWD
from loadtest.verbs.load.verb import LOAD
from loadtest.verbs.memory.verb import PLATEAUS
from loadtest.verbs.tour import report

TOUR = Verb("tour", (LOAD, PLATEAUS, CROWD, CRASH), report.sections, report.head)
