# SPDX-License-Identifier: BSD-3-Clause
"""A JSON Schema of the YAML, for editors: made from the dataclasses and the C library's option table.

Threads: any.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from . import options
from .model import VERSION, Config, Group, Settings, fields_of, options_of

__all__ = ["schema", "schema_text"]

_UNITS = {
    "size": r"^([0-9]+|0[xX][0-9a-fA-F]+)([kKmMgG]([iI][bB])?)?$",
    "time": r"^(0|[0-9]+([uUmM]?[sS]))$",
}
_BOOL = {"enum": [True, False, "yes", "no", "true", "false", "on", "off", 0, 1]}
_INTERFACE = r"^[^:/?,\s^]+$"


def _value(option: options.Option) -> dict[str, Any]:
    """One value of an option."""
    if option.type == "bool":
        return dict(_BOOL)
    if option.type in ("word", "words"):
        return {"enum": list(option.words)}
    if option.type in ("number", "numbers"):
        least = -1 if option.may_be_none else option.min
        return {
            "anyOf": [
                {"type": "integer", "minimum": least, "maximum": option.max},
                {"type": "string"},
            ]
        }
    if option.type in _UNITS:
        return {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": _UNITS[option.type]},
            ]
        }
    return {"type": "string"}


def _option(key: str) -> dict[str, Any]:
    option = options.table()[key]
    value = _value(option)
    whole = {"anyOf": [value, {"type": "array", "items": value}]} if option.is_list else value
    return {"description": f"{option.help}. Default: {option.default or 'none'}.", **whole}


def _documented(kind: type) -> dict[str, str]:
    """{field: first sentence of the text under it}."""
    found = re.findall(
        r"^    (\w+): .*\n    \"\"\"((?:.|\n)*?)\"\"\"", inspect.getsource(kind), re.M
    )
    return {name: " ".join(text.replace("``", "").split()) for name, text in found}


def _field(name: str, how: Any, kind: type) -> dict[str, Any]:
    described = {}
    for cls in reversed(kind.__mro__[:-1]):
        described.update(_documented(cls))
    head = {"description": described[name]} if name in described else {}
    if "part" in how:
        return {"$ref": f"#/$defs/{how['part'].__name__}"}
    if "each" in how:
        return {**head, "type": "array", "items": {"$ref": f"#/$defs/{how['each'].__name__}"}}
    if "rest" in how:
        keys = [key for key in options.table() if key not in options_of(kind) | {"group"}]
        return {
            **head,
            "type": "object",
            "properties": {key: _option(key) for key in keys},
            "additionalProperties": False,
        }
    if "option" in how:
        return {**_option(how["option"]), **head}
    if "devices" in how:
        return {**head, "type": "array", "items": {"type": "string", "pattern": _INTERFACE}}
    if "map" in how:
        return {**head, "type": "object", "additionalProperties": {"type": "string"}}
    if "range" in how:
        return {**head, "type": "integer", "minimum": how["range"][0], "maximum": how["range"][1]}
    return {**head, "enum": list(options.ENGINES)}


def _object(kind: type) -> dict[str, Any]:
    return {
        "description": (kind.__doc__ or "").splitlines()[0],
        "type": "object",
        "properties": {name: _field(name, f.metadata, kind) for name, f in fields_of(kind).items()},
        "additionalProperties": False,
        **({"required": ["group"]} if kind is Group else {}),
    }


def schema() -> dict[str, Any]:
    """The schema, as JSON Schema 2020-12."""
    parts = [f.metadata["part"] for f in fields_of(Settings).values() if "part" in f.metadata]
    whole = _object(Config)
    whole["properties"] = {"version": {"const": int(VERSION)}, **whole["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pcap-accel configuration",
        **whole,
        "required": ["version"],
        "$defs": {kind.__name__: _object(kind) for kind in [Group, Settings, *parts]},
    }


def schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
