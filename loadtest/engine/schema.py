"""The JSON Schema of a results file, made from the dataclasses that it is made of.

Published as loadtest/results.schema.json, which `python3 -m loadtest.cli.schema` writes; a test keeps the two together.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from typing import Any

import jsonschema

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


def of(alternatives: typing.Mapping[str, type], version: str) -> Json:
    """Of a document {"format": VERSION, "verb": NAME, ...}, one alternative for each kind of results by verb."""
    definitions: dict[str, Json] = {}
    documents = [_document(verb, kind, version, definitions) for verb, kind in alternatives.items()]
    return {"$schema": DRAFT, "title": "Results of Quartet's load tests", "oneOf": documents, "$defs": definitions}


def _document(verb: str, kind: type, version: str, definitions: dict[str, Json]) -> Json:
    body = _object(kind, definitions)
    body["properties"] |= {"verb": {"const": verb}, "format": {"type": "string", "pattern": f"^{version}\\.[0-9]+$"}}
    body["required"] = ["format", *body["required"]]
    return body


def _object(kind: type, definitions: dict[str, Json]) -> Json:
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    properties = {name: _schema(hints[name], definitions) for name in names}
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _schema(kind: Any, definitions: dict[str, Json]) -> Json:
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
    known = {one["properties"]["verb"]["const"]: one for one in schema["oneOf"]}
    verb = document.get("verb")
    if verb not in known:
        return f"verb: {verb!r} is none of {', '.join(known)}"
    # the one alternative, for a message that says what is wrong with it
    validator = jsonschema.Draft202012Validator({**known[verb], "$defs": schema["$defs"]})
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is None:
        return ""
    where = "/".join(map(str, error.absolute_path)) or "the document"
    return f"{where}: {error.message[:200]}"


def text(schema: Json) -> str:
    return json.dumps(schema, indent=1) + "\n"
