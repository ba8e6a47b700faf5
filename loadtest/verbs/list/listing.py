"""The verb list: who and what can be measured, and the results that are there."""

import json
from pathlib import Path

from loadtest.contestants import peers
from loadtest.contestants.contestants import CLASSIC, COMBINED, WORKLOADS, Kind
from loadtest.contestants.peers import EVERYBODY
from loadtest.document.document import Document, Section, words
from loadtest.document.figures import listed
from loadtest.engine import folder
from loadtest.engine.metrics import METRICS

PATHS = "Bare servers serve plaintext, peers plaintext and file. Any path of ours: /bytes?n=1."
BY_DEFAULT = f"Models are measured by default, {listed([one.name for one in COMBINED])} only with --all or by name."
NEWEST = 10  # results folders that are shown


def document(binaries: Path, results: Path) -> Document:
    everybody = words("", "kind", "of the model", "command or package", "here")
    for one in EVERYBODY:
        what = peers.select(one.name).package if one.kind == Kind.peer else " ".join([one.executable, *one.arguments])
        here = "yes" if (binaries / one.executable).exists() else "no"
        everybody.add_row(one.name, one.kind.value, one.model, what, here)
    loads = words("", "asks for", "")
    for workload in WORKLOADS:
        loads.add_row(workload.name, workload.path, workload.needs)
    numbers = words("", "unit", "divided by", "better")
    for metric in METRICS:
        numbers.add_row(metric.name, metric.unit, metric.divided_by, metric.better)
    folders = words("", "verb", "state", "commit", "seconds")
    for path in sorted(results.glob("*/results.json"), reverse=True)[:NEWEST]:
        try:
            run = folder.load(path)
            folders.add_row(path.parent.name, run.verb, run.state, run.environment.commit, f"{run.seconds:.0f}")
        except ValueError:
            folders.add_row(path.parent.name, "unreadable", "", "", "")
    sections = [
        Section("Contestants (--only, --peer)", everybody, [BY_DEFAULT, "--variant takes any command line of ours."]),
        Section("Workloads (--workload)", loads, [PATHS]),
        Section("Metrics (cells.csv, --metric)", numbers, []),
        Section(f"Results (the newest {NEWEST} in {results})", folders, []),
    ]
    return Document([], [section for section in sections if section.table and section.table.rows])


def to_json(binaries: Path) -> str:
    document = {
        "contestants": [
            {
                "name": one.name,
                "kind": one.kind.value,
                "model": one.model,
                "here": (binaries / one.executable).exists(),
                "by_default": one in CLASSIC,
            }
            for one in EVERYBODY
        ],
        "workloads": [{"name": workload.name, "path": workload.path} for workload in WORKLOADS],
        "metrics": [{"name": metric.name, "unit": metric.unit, "better": metric.better} for metric in METRICS],
    }
    return json.dumps(document, indent=1) + "\n"
