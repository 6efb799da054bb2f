"""The JSON schema of params.yaml, for editors: names, types, choices, and the words of the docstrings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from seodang.config import Params
from seodang.config.load import ITEM_DEFAULTS, read_defaults

SCHEMA: Final = Path(__file__).with_name("params.schema.json")


def build_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12): no key is required, as defaults.yaml has a value for each."""
    schema = Params.model_json_schema()
    defaults = read_defaults()
    for definition in schema["$defs"].values():
        definition.pop("required", None)
    schema["required"] = [name for name in Params.model_fields if name not in Params.OPTIONAL_SECTIONS]
    for name, section in schema["properties"].items():
        definition = schema["$defs"][section["$ref"].rpartition("/")[2]]
        for key, value in defaults[name].items():
            if key in definition["properties"] and not isinstance(value, dict | list):
                definition["properties"][key]["default"] = value
    for defaults_name, _section in ITEM_DEFAULTS.values():
        section_name, _dot, key = defaults_name.partition(".")
        definition = schema["$defs"][schema["properties"][section_name]["$ref"].rpartition("/")[2]]
        names = [(section, name) for (section, name), (other, _item) in ITEM_DEFAULTS.items() if other == defaults_name]
        lists = " and ".join(name if section == section_name else f"{section}.{name}" for section, name in names)
        definition["properties"][key] = {"type": "object", "description": f"Default values of the items of {lists}."}
    definition = schema["$defs"]["AlignParams"]
    definition["properties"]["method_defaults"] = {
        "type": "object",
        "description": "Values of this section by method, for what params.yaml does not set.",
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def render_schema() -> str:
    """Return the schema as it is stored in params.schema.json."""
    return json.dumps(build_schema(), ensure_ascii=False, indent=1) + "\n"
