"""The machine card: what this machine is, what cannot be measured on it, and the one command that mends each.

`facts` looks, `findings` judges, this module shows.
"""

import dataclasses
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from loadtest.document.document import Document, Section, words
from loadtest.verbs.doctor import facts
from loadtest.verbs.doctor.facts import Facts
from loadtest.verbs.doctor.findings import TOPICS, Finding, Status
from loadtest.verbs.tour import plan

NAME_WIDTH = 21  # of the longest name
HINDRANCES = {
    Status.problem: "Nothing can be measured here before this is mended",
    Status.note: "What cannot be measured here, or not well",
}
MARKS = {Status.ok: " ", Status.note: "!", Status.problem: "X"}


@dataclass(frozen=True)
class Topic:
    title: str
    findings: list[Finding]


@dataclass(frozen=True)
class Card:
    topics: list[Topic]

    @property
    def findings(self) -> list[Finding]:
        return [finding for topic in self.topics for finding in topic.findings]

    @property
    def hindrances(self) -> list[Finding]:
        """The worst first."""
        return [one for status in HINDRANCES for one in self.findings if one.status == status]

    @property
    def usable(self) -> bool:
        """Whether anything can be measured here; else exit status 5."""
        return all(finding.status != Status.problem for finding in self.findings)


def examine(binaries: Path) -> Card:
    """Takes about two seconds."""
    return judge(facts.read(binaries, sorted({*(one.executable for one in plan.CONTESTANTS), "quartet-pace"})))


def judge(facts: Facts) -> Card:
    return Card([Topic(title, list(findings(facts))) for title, findings in TOPICS.items()])


def document(card: Card) -> Document:
    """What there is by topic, marked where it hinders something; then whole sentences on that."""
    sections = []
    for topic in card.topics:
        filled = words("", "", "")
        for one in topic.findings:
            filled.add_row(MARKS[one.status], one.name.ljust(NAME_WIDTH), one.value)
        sections.append(Section(topic.title, filled, []))
    for status, alike in itertools.groupby(card.hindrances, key=lambda one: one.status):
        sections.append(Section(HINDRANCES[status], None, [sentence(one) for one in alike]))
    if not card.hindrances:
        sections.append(Section("Everything can be measured here.", None, []))
    return Document([], sections)


def to_json(card: Card) -> str:
    return json.dumps(dataclasses.asdict(card), indent=1) + "\n"


def sentence(finding: Finding) -> str:
    """It ends in the command that mends it, where one does."""
    return f"{finding.hinders}. Mend it with: {finding.fix}" if finding.fix else f"{finding.hinders}."
