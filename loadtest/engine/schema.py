"""The JSON Schema of a results file, made of its dataclasses and of the table of metrics. Published as
loadtest/results.schema.json, which `python3 -m loadtest.cli.schema` writes; a test keeps the two together."""

import collections.abc
import dataclasses
import enum
import json
import types
import typing
from functools import cache
from typing import Any

import jsonschema

from loadtest.document.document import Plot, Told
from loadtest.engine import measurement
from loadtest.engine.metrics import METRICS
from loadtest.engine.run import Run
from loadtest.system import ROOT

MAJOR, MINOR = 7, 5  # of the format: a reader understands every earlier minor version of its major one
PUBLISHED = ROOT / "loadtest/results.schema.json"

Json = dict[str, Any]
PLAIN: dict[Any, Json] = {
    Any: {},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
}


@cache
def results() -> Json:
    """Of the document of a run of any verb. Each kind of part has settings and results of its own."""
    definitions: dict[str, Json] = {}
    document = _object(Run, definitions)
    document["properties"] |= {
        "format": {"type": "string", "pattern": f"^{MAJOR}\\.[0-9]+$"},
        "verb": {"enum": list(measurement.VERBS)},
        "answer": {"type": "array", "items": {"type": "string"}},
        "figures": {"type": "array", "items": _schema(Plot, definitions)},
        "tables": {"type": "array", "items": _schema(Told, definitions)},
        # of a file that has what was made of results, and not these: why, and where they are
        "omitted": {"type": "string"},
    }
    document["properties"]["parts"]["minItems"] = 1
    document["required"] = ["format", *document["required"]]
    part = definitions["engine.run.Part"]
    part["properties"]["measurement"] = {"enum": list(measurement.MEASUREMENTS)}
    part["allOf"] = [  # and no oneOf, which could not say what is wrong
        {
            "if": {"properties": {"measurement": {"const": one.name}}},
            "then": {
                "properties": {
                    "settings": _schema(one.settings, definitions),
                    "results": {"type": "array", "items": _schema(one.result, definitions)},
                }
            },
        }
        for one in measurement.MEASUREMENTS.values()
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Results of Quartet's load tests",
        **document,
        "$defs": definitions,
        "x-metrics": {
            one.name: {"unit": one.unit, "divided by": one.divided_by, "better": one.better} for one in METRICS
        },
    }


def text() -> str:
    return json.dumps(results(), indent=1) + "\n"


def _object(kind: type, definitions: dict[str, Json]) -> Json:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    properties = {field.name: _schema(hints[field.name], definitions) for field in fields}
    # what has a default may be absent: an earlier minor version did not know it
    required = [one.name for one in fields if one.default is one.default_factory is dataclasses.MISSING]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(kind: Any, definitions: dict[str, Json]) -> Json:
    """`definitions` gets those of the dataclasses that it is made of."""
    if kind in PLAIN:
        return PLAIN[kind]
    if dataclasses.is_dataclass(kind):
        name = ".".join([*kind.__module__.split(".")[-2:], kind.__name__])
        if name not in definitions:
            definitions[name] = {}  # a class may contain itself
            definitions[name] = _object(typing.cast(type, kind), definitions)
        return {"$ref": f"#/$defs/{name}"}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return {"anyOf": [_schema(one, definitions) for one in arguments]}
    if origin in (list, tuple, collections.abc.Sequence):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"no JSON Schema for {kind}")


def problem(document: Json) -> str:
    """Why the document is not as the schema says, in half a sentence; "" when it is."""
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(results()).iter_errors(document))
    if error is None:
        return ""
    where = "/".join(map(str, error.absolute_path)) or "the document"
    return f"{where}: {error.message[:200]}"
