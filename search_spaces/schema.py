"""The JSON Schema of study files, for completion and checks in editors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic.json_schema import models_json_schema

from ablative.search_spaces.configuration import groups
from ablative.search_spaces.configuration import leaves
from ablative.search_spaces.domains import DOMAINS
from ablative.search_spaces.recipe import KEY
from ablative.search_spaces.study import ResourcesWhere
from ablative.search_spaces.study import Study
from ablative.search_spaces.subject import Subject
from ablative.splits import SHIFTED

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(subject: Subject, trainables: Collection[str] = ()) -> Schema:
    """JSON Schema of a study about `subject`: paths, values, splits, named arms and recipes are completed.

    `trainables`: what else a study may be about.
    """
    config_type, recipes = subject.config_type, subject.recipes
    _, combined = models_json_schema([(Study, "validation"), (config_type, "validation")], schema_generator=_Untitled)
    definitions: Schema = combined["$defs"]
    study = definitions.pop("Study")
    config = definitions[config_type.__name__]
    fields = {path: _field(config, path, definitions) for path in leaves(config_type)}
    nested = {path: _field(config, path, definitions) for path in groups(config_type)}
    definitions["Field"] = {"enum": list(fields), "description": "Dotted path of a field of the trial configuration."}
    definitions["Changes"] = _closed({**fields, **nested})
    if recipes:
        described = "Name of published settings; values in the base override them."
        config["properties"] = {KEY: {"enum": list(recipes), "description": described}, **config["properties"]}
    study["properties"]["base"] |= {"$ref": f"#/$defs/{config_type.__name__}"}
    for key in ("type", "additionalProperties"):
        study["properties"]["base"].pop(key)
    study["properties"]["conditions"] |= _closed({path: _several(path, fields[path]) for path in fields})
    _patch_domains(definitions, fields)
    _patch_arms(definitions, subject.named_arms)
    _patch_splits(study, definitions, subject)
    if trainables:
        study["properties"]["trainable"]["anyOf"][0] = {"enum": list(trainables)}
    return {"$schema": _DIALECT, **study, "$defs": dict(sorted(definitions.items()))}


def _field(config: Schema, path: str, definitions: Schema) -> Schema:
    *parents, name = path.split(".")
    for parent in parents:
        reference = config["properties"][parent]["$ref"]
        config = definitions[reference.rpartition("/")[2]]
    # The default belongs to the field in the base, and says nothing about a change.
    return {key: value for key, value in config["properties"][name].items() if key != "default"}


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _several(path: str, field: Schema) -> Schema:
    item = {"$ref": f"#/$defs/Changes/properties/{path}"}
    described = {"description": field.get("description", "")}
    return {**described, "type": "array", "items": item, "minItems": 1, "uniqueItems": True}


def _patch_domains(definitions: Schema, fields: Schema) -> None:
    for name in (ResourcesWhere.__name__, *(domain.__name__ for domain in DOMAINS.values())):
        definitions[name]["properties"]["when"]["propertyNames"] = {"$ref": "#/$defs/Field"}
    space = definitions["Search"]["properties"]["space"]
    domains = space.pop("additionalProperties")
    definitions["Domain"] = domains
    described = {
        path: {"description": field.get("description", ""), "$ref": "#/$defs/Domain"} for path, field in fields.items()
    }
    space |= _closed(described)


def _patch_splits(study: Schema, definitions: Schema, subject: Subject) -> None:
    if not subject.splits:
        return
    named: Schema = {"enum": [*subject.splits, SHIFTED]}
    starts = sorted({start for found in subject.open_splits.values() for start in found})
    items = {"anyOf": [named, *({"type": "string", "pattern": f"^{start}"} for start in starts)]} if starts else named
    for where in (study["properties"]["evaluate"], definitions["Claim"]["properties"]["splits"]):
        where["items"] = items


def _patch_arms(definitions: Schema, known: Collection[str]) -> None:
    changes: Schema = {"$ref": "#/$defs/Changes"}
    factor, arms = definitions["Factor"], definitions["Arms"]["properties"]
    for form in ("without", "with"):
        factor["properties"][form]["anyOf"][0] = {**changes, "minProperties": 1}
    factor["properties"]["levels"]["anyOf"][0]["additionalProperties"] = changes
    definitions["Factor"] = {
        "description": factor.pop("description"),
        "anyOf": [factor | {"minProperties": 1, "maxProperties": 1}, {"type": "array", "minItems": 1}],
    }
    for key in ("listed", "controls"):
        named = arms[key]
        names: Schema = {"type": "array", "items": {"enum": list(known)} if known else {}, "uniqueItems": True}
        by_name: Schema = {"type": "object", "additionalProperties": {"anyOf": [changes, {"type": "null"}]}}
        by_name["properties"] = dict.fromkeys(known, by_name["additionalProperties"])
        arms[key] = {"description": named["description"], "default": {}, "anyOf": [by_name, names]}
