"""What the installed Stripe library says about parameters and objects, read from its sources, against the bundled spec.

The library and the spec are of different dates. Every difference in the names of fields that the simulator can meet
is listed with a reason in `stripe_overlay.json`; `test_stripe_drift.py` fails when the two no longer agree.
"""

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

PARAMS = {
    "POST /v1/customers": "customer_create",
    "GET /v1/customers": "customer_list",
    "GET /v1/customers/{customer}": "customer_retrieve",
    "POST /v1/customers/{customer}": "customer_update",
    "DELETE /v1/customers/{customer}": "customer_delete",
    "GET /v1/customers/{customer}/payment_methods": "customer_payment_method_list",
    "GET /v1/customers/{customer}/payment_methods/{payment_method}": "customer_payment_method_retrieve",
    "POST /v1/payment_methods": "payment_method_create",
    "GET /v1/payment_methods": "payment_method_list",
    "GET /v1/payment_methods/{payment_method}": "payment_method_retrieve",
    "POST /v1/payment_methods/{payment_method}/attach": "payment_method_attach",
    "POST /v1/payment_methods/{payment_method}/detach": "payment_method_detach",
    "POST /v1/payment_intents": "payment_intent_create",
    "GET /v1/payment_intents": "payment_intent_list",
    "GET /v1/payment_intents/{intent}": "payment_intent_retrieve",
    "POST /v1/payment_intents/{intent}": "payment_intent_update",
    "POST /v1/payment_intents/{intent}/confirm": "payment_intent_confirm",
    "POST /v1/payment_intents/{intent}/cancel": "payment_intent_cancel",
    "POST /v1/payment_intents/{intent}/capture": "payment_intent_capture",
    "POST /v1/setup_intents": "setup_intent_create",
    "GET /v1/setup_intents": "setup_intent_list",
    "GET /v1/setup_intents/{intent}": "setup_intent_retrieve",
    "POST /v1/setup_intents/{intent}/confirm": "setup_intent_confirm",
    "POST /v1/setup_intents/{intent}/cancel": "setup_intent_cancel",
    "GET /v1/charges": "charge_list",
    "GET /v1/charges/{charge}": "charge_retrieve",
    "POST /v1/refunds": "refund_create",
    "GET /v1/refunds": "refund_list",
    "GET /v1/refunds/{refund}": "refund_retrieve",
    "POST /v1/refunds/{refund}": "refund_update",
    "GET /v1/disputes": "dispute_list",
    "GET /v1/disputes/{dispute}": "dispute_retrieve",
    "POST /v1/disputes/{dispute}": "dispute_update",
    "POST /v1/disputes/{dispute}/close": "dispute_close",
    "GET /v1/balance": "balance_retrieve",
    "GET /v1/balance_transactions": "balance_transaction_list",
    "GET /v1/balance_transactions/{id}": "balance_transaction_retrieve",
    "POST /v1/payouts": "payout_create",
    "GET /v1/payouts": "payout_list",
    "GET /v1/payouts/{payout}": "payout_retrieve",
    "GET /v1/events": "event_list",
    "GET /v1/events/{id}": "event_retrieve",
    "POST /v1/webhook_endpoints": "webhook_endpoint_create",
    "GET /v1/webhook_endpoints": "webhook_endpoint_list",
    "GET /v1/webhook_endpoints/{webhook_endpoint}": "webhook_endpoint_retrieve",
    "POST /v1/webhook_endpoints/{webhook_endpoint}": "webhook_endpoint_update",
    "DELETE /v1/webhook_endpoints/{webhook_endpoint}": "webhook_endpoint_delete",
}
"""Each simulated operation and the library's module of parameters for it."""

OBJECTS = {
    "balance": "_balance.py",
    "balance_transaction": "_balance_transaction.py",
    "charge": "_charge.py",
    "customer": "_customer.py",
    "dispute": "_dispute.py",
    "event": "_event.py",
    "payment_intent": "_payment_intent.py",
    "payment_method": "_payment_method.py",
    "payout": "_payout.py",
    "radar.early_fraud_warning": "radar/_early_fraud_warning.py",
    "refund": "_refund.py",
    "setup_intent": "_setup_intent.py",
    "webhook_endpoint": "_webhook_endpoint.py",
}
"""Each simulated object and the library's source of its class."""

ANNOTATION_LENGTH_MAX = 60
"""Long unions of literals are cut: the overlay is about names, and says of what kind a field is."""

Fields = dict[str, str]


def drift(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    """{where: {field: 'added: <annotation>' | 'removed'}} for every place where library and spec differ."""
    found: dict[str, dict[str, str]] = {}
    for operation, module in PARAMS.items():
        classes = _classes(f"params/_{module}_params.py")
        top = next(iter(classes))
        _compare_params(classes, top, request_schema(spec, operation), operation, found)
    for name, source in OBJECTS.items():
        classes = _classes(source)
        top = "".join(word.title() for word in name.split(".")[-1].split("_"))
        _compare_object(spec, classes, top, spec["components"]["schemas"][name], name, found)
    return {where: found[where] for where in sorted(found)}


def request_schema(spec: dict[str, Any], operation: str) -> dict[str, Any]:
    """The parameters of an operation as one object schema, body and query alike."""
    method, path = operation.split(" ")
    described = spec["paths"][path][method.lower()]
    if method == "POST":
        return described["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    parameters = [row for row in described.get("parameters", []) if row["in"] == "query"]
    return {"type": "object", "properties": {row["name"]: row["schema"] for row in parameters}}


@cache
def _classes(source: str) -> dict[str, Fields]:
    """{dotted class name: {field: annotation}} of one library source."""
    package = importlib.util.find_spec("stripe")
    assert package is not None
    assert package.origin is not None
    tree = ast.parse((Path(package.origin).parent / source).read_text(encoding="utf-8"))
    classes: dict[str, Fields] = {}

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                classes[prefix + node.name] = {
                    item.target.id: ast.unparse(item.annotation).replace("'", "").replace('"', "")
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                }
                walk(node.body, f"{prefix}{node.name}.")

    walk(tree.body, "")
    return classes


def _compare_params(
    classes: dict[str, Fields], name: str, schema: dict[str, Any], where: str, found: dict[str, dict[str, str]]
) -> None:
    described = _properties(schema)
    _record(classes[name], described, where, found)
    for field, annotation in classes[name].items():
        nested = next((other for other in classes if other != name and other in _words(annotation)), None)
        if nested and field in described and _properties(described[field]):
            _compare_params(classes, nested, described[field], f"{where} {field}", found)


def _compare_object(
    spec: dict[str, Any],
    classes: dict[str, Fields],
    name: str,
    schema: dict[str, Any],
    where: str,
    found: dict[str, dict[str, str]],
) -> None:
    schema = _resolved(spec, schema)
    described = _properties(schema)
    fields = {field: text for field, text in classes[name].items() if not text.startswith("ClassVar")}
    _record(fields, described, where, found)
    for field, annotation in fields.items():
        nested = next((f"{name}.{word}" for word in _words(annotation) if f"{name}.{word}" in classes), None)
        if nested and field in described:
            inner = _resolved(spec, described[field])
            if _properties(inner):
                _compare_object(spec, classes, nested, inner, f"{where} {field}", found)


def _record(library: Fields, described: dict[str, Any], where: str, found: dict[str, dict[str, str]]) -> None:
    python_names = {"from_": "from"}
    names = {python_names.get(field, field): text for field, text in library.items()}
    differences = {field: _added(text) for field, text in names.items() if field not in described}
    differences.update({field: "removed" for field in described if field not in names})
    if differences:
        found[where] = dict(sorted(differences.items()))


def _added(annotation: str) -> str:
    return f"added: {annotation}"[:ANNOTATION_LENGTH_MAX]


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object schema, also when it is one of several forms or the item of a list."""
    if "properties" in schema:
        return schema["properties"]
    if schema.get("type") == "array":
        return _properties(schema.get("items", {}))
    for form in schema.get("anyOf", ()):
        if _properties(form):
            return _properties(form)
    return {}


def _resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference, a list or the first referring form."""
    while True:
        if "$ref" in schema:
            schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        elif schema.get("type") == "array":
            schema = schema["items"]
        elif "anyOf" in schema and "properties" not in schema:
            schema = next((form for form in schema["anyOf"] if "$ref" in form), {})
        else:
            return schema


def _words(annotation: str) -> list[str]:
    cleaned = "".join(char if char.isalnum() or char == "_" else " " for char in annotation)
    return cleaned.split()
