"""What planners decide for planning alone, and what they try: the facts as they would be then.

A decision is a kind and a body of plain values, as it is stored: ids are text, moments ISO 8601, quantities decimals as
text. order_terms: another priority or date of an order; order_held: leave it out; machine_out, extra_time: a machine
does not work, or works beside its calendar, from one moment to another; new_order: operations that are no jobs (yet);
weights: what a priority is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.scheduling.domain.facts import JobFacts, MachineFacts, OrderFacts, Placed, Shop, Way

ORDER_TERMS, ORDER_HELD, NEW_ORDER = "order_terms", "order_held", "new_order"
MACHINE_OUT, EXTRA_TIME, WEIGHTS = "machine_out", "extra_time", "weights"


Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Decision:
    """See the module."""

    kind: str
    body: Mapping[str, Any]


def applied(shop: Shop, decisions: Sequence[Decision]) -> Shop:
    """The shop with decisions in force, one after the other; those about what is not there (any more) do nothing."""
    for each in decisions:
        shop = _APPLY[each.kind](shop, each.body)
    return shop


def moment(text: str) -> datetime:
    """A moment as it is stored."""
    return datetime.fromisoformat(text)


def _terms(shop: Shop, body: Mapping[str, Any]) -> Shop:
    order = shop.orders.get(body["order_id"])
    if order is None:
        return shop
    if body.get("priority") is not None:
        order = replace(order, priority=body["priority"])
    if body.get("due_at"):
        kind = body.get("deadline_type") or (order.deadline_type if order.deadline_type != "None" else "Soft")
        order = replace(order, due_at=moment(body["due_at"]), deadline_type=kind)
    return replace(shop, orders={**shop.orders, order.id: order})


def _held(shop: Shop, body: Mapping[str, Any]) -> Shop:
    order = shop.orders.get(body["order_id"])
    if order is None:
        return shop
    return replace(shop, orders={**shop.orders, order.id: replace(order, state="Held")})


def _machine(shop: Shop, body: Mapping[str, Any], change: Callable[[MachineFacts, Span], MachineFacts]) -> Shop:
    machine = shop.machines.get(body["equipment_id"])
    if machine is None:
        return shop
    machine = change(machine, (moment(body["start"]), moment(body["end"])))
    return replace(shop, machines={**shop.machines, machine.id: machine})


def _out(shop: Shop, body: Mapping[str, Any]) -> Shop:
    return _machine(shop, body, lambda machine, span: replace(machine, closed=(*machine.closed, span)))


def _extra(shop: Shop, body: Mapping[str, Any]) -> Shop:
    return _machine(shop, body, lambda machine, span: replace(machine, extra=(*machine.extra, span)))


def _new_order(shop: Shop, body: Mapping[str, Any]) -> Shop:
    due = body.get("due_at")
    order = OrderFacts(
        body["order_id"], priority=body.get("priority", 5), due_at=moment(due) if due else None,
        release_at=moment(body["release_at"]) if body.get("release_at") else None,
        deadline_type=body.get("deadline_type", "Soft") if due else "ASAP",
    )  # fmt: skip
    jobs = {each["id"]: _job(order.id, each, Decimal(body["qty"])) for each in body["operations"]}
    # Where a quote's place was promised.
    placed = {
        each["id"]: Placed(
            each["id"],
            order.id,
            each["equipment_id"],
            moment(each["start"]),
            moment(each["start"]),
            moment(each["end"]),
        )
        for each in body.get("placed", ())
    }
    return replace(
        shop, orders={**shop.orders, order.id: order}, jobs={**shop.jobs, **jobs}, reserved=shop.reserved | {order.id},
        current={**shop.current, **placed},
    )  # fmt: skip


def _job(order: str, each: Mapping[str, Any], quantity: Decimal) -> JobFacts:
    ways = [
        Way(way["equipment_id"], Decimal(way["run_s_per_unit"]), way["setup_s"], way["preference"])
        for way in each["alternatives"]
    ]
    return JobFacts(
        each["id"], order, predecessors=each["predecessors"], ways=ways, family=each["family"],
        queue_s=each["queue_s"], move_s=each["move_s"], remaining=quantity, interruptible=each["interruptible"],
        outside=not ways, lead_days=each["lead_days"],
    )  # fmt: skip


def _weights(shop: Shop, body: Mapping[str, Any]) -> Shop:
    return replace(shop, weights={**shop.weights, **{int(name): value for name, value in body["weights"].items()}})


_APPLY: Mapping[str, Callable[[Shop, Mapping[str, Any]], Shop]] = {
    ORDER_TERMS: _terms,
    ORDER_HELD: _held,
    MACHINE_OUT: _out,
    EXTRA_TIME: _extra,
    NEW_ORDER: _new_order,
    WEIGHTS: _weights,
}
