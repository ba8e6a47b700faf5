"""The verb schedulers: what does a scheduling policy do to short requests beside long ones?"""

from loadtest.engine.measurement import Verb
from loadtest.verbs.schedulers import plots, report, words
from loadtest.verbs.schedulers.measure import SCHEDULERS

SCHEDULER = Verb(
    "schedulers",
    (SCHEDULERS,),
    plots.sections,
    report.head,
    words=words.words,
    title="What does a policy do to short requests beside long ones?",
    first=words.first,
)
