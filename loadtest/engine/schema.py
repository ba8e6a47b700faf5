"""The JSON Schema of a results file, made from the dataclasses that it is made of, and from the table of metrics.

Published as loadtest/results.schema.json, which `python3 -m loadtest.cli.schema` writes; a test keeps the two together.
"""

import dataclasses
import enum
import json
import types
import typing
from functools import cache
from typing import Any

import jsonschema

from loadtest.engine import verb
from loadtest.engine.metrics import METRICS
from loadtest.engine.run import Part, Run
from loadtest.system import ROOT

MAJOR, MINOR = 4, 0  # of the format: a reader understands every minor version of its major one
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
    """Of the document of a run of any verb. Its parts are of several kinds, each with settings and results of its
    own."""
    definitions: dict[str, Json] = {}
    kinds = []
    document = _object(Run, definitions)
    for one in verb.MEASUREMENTS.values():
        kind = _object(Part, definitions)
        kind["properties"] = {
            "measurement": {"const": one.name},
            "settings": _schema(one.settings, definitions),
            "results": {"type": "array", "items": _schema(one.result, definitions)},
        }
        kinds.append(kind)
    document["properties"] |= {
        "format": {"type": "string", "pattern": f"^{MAJOR}\\.[0-9]+$"},
        "verb": {"enum": list(verb.VERBS)},
        "parts": {"type": "array", "minItems": 1, "items": {"oneOf": kinds}},
    }
    document["required"] = ["format", *document["required"]]
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
    names = [field.name for field in dataclasses.fields(kind)]
    properties = {name: _schema(hints[name], definitions) for name in names}
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


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
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(one, definitions) for one in arguments]}
    if origin in (list, tuple):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"no JSON Schema for {kind}")


def problem(document: Json) -> str:
    """Why the document is not as the schema says, in half a sentence; "" when it is."""
    schema = results()
    kinds = {one["properties"]["measurement"]["const"]: one for one in schema["properties"]["parts"]["items"]["oneOf"]}
    any_part = {"type": "object", "required": ["measurement"], "properties": {"measurement": {"enum": list(kinds)}}}
    properties = {**schema["properties"], "parts": {"type": "array", "minItems": 1, "items": any_part}}
    if found := _first({**schema, "properties": properties}, document):
        return found
    for number, part in enumerate(document["parts"]):  # each by its own kind, for a message that says what is wrong
        if found := _first({**kinds[part["measurement"]], "$defs": schema["$defs"]}, part, f"parts/{number}/"):
            return found
    return ""


def _first(schema: Json, document: Json, within: str = "") -> str:
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(document))
    if error is None:
        return ""
    where = within + "/".join(map(str, error.absolute_path)) or "the document"
    return f"{where}: {error.message[:200]}"
