"""Dataclasses and JSON: dataclasses.asdict makes one of the other, and this the way back."""

import collections.abc
import dataclasses
import types
import typing
from typing import Any


def from_json(kind: Any, value: Any) -> Any:
    """The value of that type that asdict and JSON have made this of. Of a union: as it is, if it has a later one of its
    types, or else of the first. Raises ValueError, KeyError or TypeError."""
    if kind is types.NoneType:
        return None
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: from_json(hints[name], part) for name, part in value.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return value if type(value) in (types.NoneType, *arguments[1:]) else from_json(arguments[0], value)
    if origin in (list, tuple, collections.abc.Sequence):
        return (tuple if origin is tuple else list)(from_json(arguments[0], part) for part in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {value!r}")
        return {arguments[0](key): from_json(arguments[1], part) for key, part in value.items()}
    return kind(value)
