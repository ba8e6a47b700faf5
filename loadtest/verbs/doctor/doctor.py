"""The machine card: what this machine is, what cannot be measured on it, and the one command that mends each.

`facts` looks, `findings` judges, this module shows.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from loadtest.document.document import Document, Section, Table, words
from loadtest.verbs.doctor import facts
from loadtest.verbs.doctor.card import Card, Finding, Status, Topic
from loadtest.verbs.doctor.facts import Facts
from loadtest.verbs.doctor.findings import TOPICS
from loadtest.verbs.tour import plan

NAME_WIDTH = 21  # of the longest name
HINDRANCES = {
    Status.problem: "Nothing can be measured here before this is mended",
    Status.note: "What cannot be measured here, or not well",
}
MARKS = {Status.ok: " ", Status.note: "!", Status.problem: "X"}


def examine(binaries: Path, executables: Sequence[str] = ()) -> Card:
    """Takes about two seconds. `executables`, in `binaries`, have to be there; by default servers and pace."""
    names = executables or sorted({*(one.executable for one in plan.CONTESTANTS), "quartet-pace"})
    return judge(facts.read(binaries, names))


def judge(facts: Facts) -> Card:
    """Pure."""
    return Card([Topic(title, list(findings(facts))) for title, findings in TOPICS.items()])


def document(card: Card) -> Document:
    """What there is by topic, marked where it hinders something; then whole sentences on that."""
    topics = [Section(topic.title, _table(topic), []) for topic in card.topics]
    hindered = [
        Section(HINDRANCES[status], None, [sentence(one) for one in alike])
        for status, alike in itertools.groupby(card.hindrances, key=lambda one: one.status)
    ]
    return Document([], [*topics, *(hindered or [Section("Everything can be measured here.", None, [])])])


def to_json(card: Card) -> str:
    return json.dumps(dataclasses.asdict(card), indent=1) + "\n"


def sentence(finding: Finding) -> str:
    """It ends in the command that mends it, where one does."""
    return f"{finding.hinders}. Mend it with: {finding.fix}" if finding.fix else f"{finding.hinders}."


def _table(topic: Topic) -> Table:
    filled = words("", "", "")
    for finding in topic.findings:
        filled.add_row(MARKS[finding.status], finding.name.ljust(NAME_WIDTH), finding.value)
    return filled
