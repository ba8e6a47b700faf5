"""The JSON Schema of a results file, made from the dataclasses that it is made of, and from the table of metrics.

Published as loadtest/results.schema.json, which `python3 -m loadtest.cli.schema` writes; a test keeps the two together.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema

from loadtest.engine.measurement import Measurement
from loadtest.engine.metrics import METRICS
from loadtest.engine.run import Part, Run
from loadtest.system.repository import ROOT

PUBLISHED = ROOT / "loadtest/results.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"

Json = dict[str, Any]
PLAIN: dict[Any, Json] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
}


def of(verbs: Sequence[str], measurements: Mapping[str, Measurement], version: str) -> Json:
    """Of a run's document. Its parts are of several kinds, each with settings and results of its own."""
    definitions: dict[str, Json] = {}
    document = _object(Run, definitions)
    document["properties"] |= {
        "format": {"type": "string", "pattern": f"^{version}\\.[0-9]+$"},
        "verb": {"enum": list(verbs)},
        "parts": {
            "type": "array",
            "minItems": 1,
            "items": {"oneOf": [_part(one, definitions) for one in measurements.values()]},
        },
    }
    document["required"] = ["format", *document["required"]]
    about = {metric.name: {"unit": metric.unit, "divided by": metric.divided_by, "better": metric.better}
             for metric in METRICS}  # fmt: skip
    title = "Results of Quartet's load tests"
    return {"$schema": DRAFT, "title": title, **document, "$defs": definitions, "x-metrics": about}


def _part(measurement: Measurement, definitions: dict[str, Json]) -> Json:
    body = _object(Part, definitions)
    body["properties"] = {
        "measurement": {"const": measurement.name},
        "settings": _schema(measurement.settings, definitions),
        "results": {"type": "array", "items": _schema(measurement.result, definitions)},
    }
    return body


def _object(kind: type, definitions: dict[str, Json]) -> Json:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    properties = {name: _schema(hints[name], definitions) for name in names}
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _schema(kind: Any, definitions: dict[str, Json]) -> Json:
    if kind is Any:
        return {}
    if kind in PLAIN:
        return PLAIN[kind]
    if dataclasses.is_dataclass(kind):
        return _reference(typing.cast(type, kind), definitions)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    return _generic(typing.get_origin(kind), typing.get_args(kind), definitions)


def _reference(kind: type, definitions: dict[str, Json]) -> Json:
    name = ".".join([*kind.__module__.split(".")[-2:], kind.__name__])
    if name not in definitions:
        definitions[name] = {}  # a class may contain itself
        definitions[name] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _generic(origin: Any, arguments: tuple[Any, ...], definitions: dict[str, Json]) -> Json:
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(one, definitions) for one in arguments]}
    if origin in (list, tuple):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"no JSON Schema for {origin or arguments}")


def problem(document: Json, schema: Json) -> str:
    """Why the document is not as the schema says, in half a sentence; "" when it is."""
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


def text(schema: Json) -> str:
    return json.dumps(schema, indent=1) + "\n"
