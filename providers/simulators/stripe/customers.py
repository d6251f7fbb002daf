"""Customers."""

from providers.simulators.stripe.errors import Json
from providers.simulators.stripe.listing import page
from providers.simulators.stripe.params import Params, merged_metadata
from providers.simulators.stripe.world import World

TEXT_FIELDS = ("description", "email", "name", "phone")


def create(world: World, params: Params, path: Json) -> Json:
    fields = {name: params.text(name) for name in TEXT_FIELDS}
    metadata = params.mapping("metadata")
    params.finish()
    customer = world.add(
        "customer",
        "cus",
        {
            **fields,
            "address": None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "discount": None,
            "invoice_prefix": "SIM",
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "metadata": merged_metadata({}, metadata),
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        },
    )
    world.emit("customer.created", customer)
    return customer


def get(world: World, params: Params, path: Json) -> Json:
    params.finish()
    customer = world.tables["customer"].get(path["customer"])
    if customer is not None and customer.get("deleted"):
        return customer
    return world.get("customer", path["customer"])


def update(world: World, params: Params, path: Json) -> Json:
    fields = {name: value for name in TEXT_FIELDS if (value := params.text(name)) is not None}
    metadata = params.mapping("metadata")
    invoicing = params.child("invoice_settings")
    default_method = invoicing.text("default_payment_method") if invoicing else None
    params.finish()
    customer = world.get("customer", path["customer"])
    if default_method is not None:
        world.get("payment_method", default_method, "invoice_settings[default_payment_method]")
        customer["invoice_settings"]["default_payment_method"] = default_method
    customer.update(fields, metadata=merged_metadata(customer["metadata"], metadata))
    world.emit("customer.updated", customer)
    return customer


def delete(world: World, params: Params, path: Json) -> Json:
    """Deleting detaches the customer's methods, as Stripe does."""
    params.finish()
    customer = world.get("customer", path["customer"])
    for method in world.tables["payment_method"].values():
        if method["customer"] == customer["id"]:
            method["customer"] = None
            world.facts[method["id"]]["spent"] = True
    world.emit("customer.deleted", customer)
    gone: Json = {"id": customer["id"], "object": "customer", "deleted": True}
    world.tables["customer"][customer["id"]] = gone
    return gone


def listing(world: World, params: Params, path: Json) -> Json:
    email = params.text("email")
    rows = (row for row in world.newest_first("customer") if not row.get("deleted"))
    return page(
        params,
        (row for row in rows if email is None or row["email"] == email),
        "/v1/customers",
    )
