"""The machine card: what this machine is, what cannot be measured on it, and the one command that mends each.

`doctor_facts` looks, `doctor_hardware` and `doctor_system` judge, this module shows.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from loadtest.doctor import doctor_facts, doctor_hardware, doctor_system
from loadtest.doctor.doctor_card import Card, Finding, Status, Topic
from loadtest.doctor.doctor_facts import Facts
from loadtest.job import plan
from loadtest.text import Section, render_section, table, wrap

TOPICS = {
    "CPUs": doctor_hardware.cpus,
    "Other load": doctor_hardware.load,
    "Memory": doctor_hardware.memory,
    "Control group": doctor_hardware.group,
    "Limits": doctor_system.limits,
    "Ports": doctor_system.ports,
    "Kernel": doctor_system.kernel,
    "Programs": doctor_system.programs,
}
NAME_WIDTH = 21  # of the longest name
MARKS = {Status.ok: "", Status.note: "!", Status.problem: "X"}


def examine(binaries: Path, executables: Sequence[str] = ()) -> Card:
    """Takes about two seconds. `executables`, in `binaries`, have to be there; by default servers and pace."""
    names = executables or sorted({*(one.executable for one in plan.CONTESTANTS), "quartet-pace"})
    return judge(doctor_facts.read(binaries, names))


def judge(facts: Facts) -> Card:
    """Pure."""
    return Card([Topic(title, list(findings(facts))) for title, findings in TOPICS.items()])


def render(card: Card, width: int = 80) -> str:
    """What there is by topic, marked where it hinders something; then whole sentences on that."""
    parts = [render_section(Section(topic.title, _table(topic), []), width).rstrip("\n") for topic in card.topics]
    sentences = [wrap([sentence(one)], width, "    ", f"  {MARKS[one.status]} ") for one in card.hindrances]
    title = "What cannot be measured here" if sentences else "Everything can be measured here."
    return "\n".join([*parts, "", title, *sentences]).lstrip("\n") + "\n"


def to_json(card: Card) -> str:
    return json.dumps(dataclasses.asdict(card), indent=1) + "\n"


def sentence(finding: Finding) -> str:
    """It ends in the command that mends it, where one does."""
    return f"{finding.hinders}. Mend it with: {finding.fix}" if finding.fix else f"{finding.hinders}."


def _table(topic: Topic) -> Table:
    filled = table("", "", "")
    filled.show_header = False
    mark, name, value = filled.columns
    mark.width, name.width = 1, NAME_WIDTH
    name.justify = value.justify = "left"
    value.no_wrap, value.overflow = False, "fold"
    for finding in topic.findings:
        filled.add_row(MARKS[finding.status], finding.name, finding.value)
    return filled
