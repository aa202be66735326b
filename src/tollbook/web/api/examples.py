"""One true example of every call, by handler, for the OpenAPI document; a test sends them and compares."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tollbook.web.api import cloudevents


@dataclass(frozen=True, slots=True)
class Example:
    """A request and its answer. `key` says whether an Idempotency-Key is taken, `errors` what can happen beside the usual,
    `also` which other types `Accept` can ask for, `shapes` the body in types that have a shape of their own."""

    answer: Any
    body: Any = None
    path: dict[str, str] = field(default_factory=lambda: {"slug": "northwind"})
    key: Literal["", "optional", "required"] = ""
    errors: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    shapes: dict[str, Any] = field(default_factory=dict)


HOLD = "01a208ab-39f1-7312-bba2-aa2ddc0c8fc6"
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "4711",
    "source": "/switches/berlin-1",
    "type": "tollbook.usage.outbound",
    "subject": "northwind",
    "time": "2026-11-03T14:02:07Z",
    "data": {"quantity": 61, "to": "+12125550100", "attributes": {"campaign": "spring"}},
}
OF_HOLD = {"hold_id": HOLD}
OF_WALLET = {"slug": "northwind", "type_code": "outbound"}
HELD = {
    "id": HOLD,
    "event_id": "call-20261103-4711",
    "state": "open",
    "items": [{"type": "outbound", "granted_quantity": "60", "held": "0.014000"}],
    "final_unit": False,
    "final_unit_action": None,
    "zero_rule": "stop_new",
    "expires_at": "2026-11-03T14:07:07.104882Z",
}
RULE = {
    "type": "outbound",
    "automatic": True,
    "refill_amount": "500.00",
    "minimum_before_refill": "50.00",
    "monthly_cap": "5000.00",
    "max_charges_per_day": 3,
    "version": 1,
    "set_by": "API key desk",
    "set_at": "2026-11-03T14:02:07.104882Z",
}
REFILL = {
    "id": "01a208ab-4a52-7dd1-9d37-3f4b4a5d3a11",
    "type": "outbound",
    "amount": "500.00",
    "currency": "USD",
    "state": "decided",
    "automatic": False,
    "reason": "API key desk asked for it.",
    "decided_at": "2026-11-03T14:02:07.104882Z",
    "finished_at": None,
    "invoice_number": None,
}
INVOICE = {
    "number": "INV-000042",
    "kind": "recurring",
    "currency": "USD",
    "amount": "50.00",
    "balance": "50.00",
    "status": "posted",
    "issued_on": "2026-11-01",
    "due_on": "2026-11-15",
}
CREDIT_NOTE = {
    "number": "CN-000007",
    "invoice": "INV-000042",
    "currency": "USD",
    "subtotal": "12.50",
    "tax": "0.00",
    "amount": "12.50",
    "issued_on": "2026-11-03",
    "reason": "One seat was never used",
}
DRAFT = {
    "id": "01a208ab-6f20-7d4e-8a52-2c0b7a1c9d33",
    "kind": "recurring",
    "state": "open",
    "currency": "USD",
    "amount": "50.00",
    "drafted_at": "2026-12-01T00:15:00.123456Z",
    "drafted_by": "Tollbook",
}
FEE = {
    "id": "01a208ab-5d10-7c3e-9f42-6f0b7a1c9d11",
    "name": "Agent seat",
    "interval": "monthly",
    "quantity": "4",
    "price": "12.5",
    "total": "50.00",
    "starts_on": "2026-01-01",
    "ends_on": None,
    "free_until": None,
    "is_paused": False,
    "discount": "",
    "arithmetic": "",
}
EVENT = {
    "id": "call-20261103-4711",
    "type": "outbound",
    "quantity": "61",
    "billed_quantity": "120",
    "rate_cents": "1.4",
    "connect_fee": "0.000000",
    "cost": "0.028000",
    "occurred_at": "2026-11-03T14:02:07Z",
    "received_at": "2026-11-03T14:03:09.881204Z",
    "to": "+12125550100",
    "from": "+12125550199",
    "transfer_id": "01a208ab-39db-74ed-bcdb-1eca367718ad",
    "hold_id": None,
}
TRANSFER = {
    "id": "01a208ab-39db-74ed-bcdb-1eca367718ad",
    "posted_at": "2026-11-03T14:03:09.890114Z",
    "kind": "usage",
    "reference": "01a208ab-39db-74ed-bcdb-1eca367718ad",
    "description": "1 event",
    "actor": "",
    "type": "outbound",
    "before": "100.000000",
    "after": "99.972000",
    "events": 1,
    "currency": "USD",
    "entries": [
        {"code": "wallet:outbound:paid", "amount": "0.028000"},
        {"code": "revenue:usage", "amount": "-0.028000"},
    ],
}
WALLET = {
    "type": "outbound",
    "name": "Outbound Minutes",
    "unit": "seconds",
    "currency": "USD",
    "rate_cents": "1.4",
    "balance": "99.972000",
    "granted": "0.000000",
    "held": "0.014000",
    "available": "99.958000",
    "used_percent": "0.03",
    "funded_at": "2026-11-01T09:00:00.000412Z",
    "automatic_refill": True,
    "refill_amount": "500.00",
    "minimum_before_refill": "50.00",
}

EXAMPLES = {
    "send_usage": Example(
        body=[
            {
                "id": "call-20261103-4711",
                "account": "northwind",
                "type": "outbound",
                "quantity": 61,
                "occurred_at": "2026-11-03T14:02:07Z",
                "to": "+12125550100",
                "from": "+12125550199",
                "attributes": {"campaign": "Welcome calls", "agent": "a.okafor"},
            },
            {
                "id": "fax-1",
                "account": "northwind",
                "type": "fax",
                "quantity": "1",
                "occurred_at": "2026-11-03T14:02:07Z",
            },
        ],
        answer={
            "accepted": 1,
            "duplicates": 0,
            "rejected": [
                {"index": 1, "id": "fax-1", "code": "unknown_type", "message": "There is no credit type “fax”."}
            ],
        },
        path={},
        shapes={cloudevents.STRUCTURED: CLOUD_EVENT, cloudevents.BATCHED: [CLOUD_EVENT]},
    ),
    "place_hold": Example(
        body={
            "event_id": "call-20261103-4711",
            "account": "northwind",
            "type": "outbound",
            "quantity": 60,
            "to": "+12125550100",
            "accept_less": True,
        },
        answer=HELD,
        path={},
        key="optional",
        errors=(402, 409, 422),
    ),
    "extend_hold": Example(
        {**HELD, "items": [{"type": "outbound", "granted_quantity": "120", "held": "0.028000"}]},
        body={"quantity": 60},
        path=OF_HOLD,
        key="optional",
        errors=(402, 409, 422),
    ),
    "capture_hold": Example(
        body={"quantity": 61, "occurred_at": "2026-11-03T14:02:07Z"},
        answer={
            "id": HOLD,
            "event_id": "call-20261103-4711",
            "state": "captured",
            "accepted": 1,
            "duplicates": 0,
            "debits": [
                {
                    "id": "call-20261103-4711",
                    "type": "outbound",
                    "quantity": "61",
                    "billed_quantity": "120",
                    "rate_cents": "1.4",
                    "cost": "0.028000",
                }
            ],
        },
        path=OF_HOLD,
        key="optional",
        errors=(409, 422),
    ),
    "release_hold": Example(
        {"id": HOLD, "state": "released"}, {"reason": "no answer"}, OF_HOLD, key="optional", errors=(409, 422)
    ),
    "list_wallets": Example({"items": [WALLET], "next": None}),
    "get_rule": Example(RULE, path=OF_WALLET),
    "set_rule": Example(
        RULE,
        body={
            "automatic": True,
            "refill_amount": "500.00",
            "minimum_before_refill": "50.00",
            "monthly_cap": "5000.00",
            "max_charges_per_day": 3,
        },
        path=OF_WALLET,
        errors=(409,),
    ),
    "ask_refill": Example(REFILL, {"amount": "500.00"}, OF_WALLET, key="required", errors=(409, 422)),
    "list_refills": Example({"items": [REFILL], "next": None}, path=OF_WALLET),
    "list_events": Example({"items": [EVENT], "next": None}, also=("application/x-ndjson", "text/csv")),
    "get_usage": Example(
        {
            "by": "campaign",
            "per": "day",
            "since": "2026-11-03T00:00:00-05:00",
            "until": "2026-11-04T00:00:00-05:00",
            "timezone": "America/New_York",
            "currency": "USD",
            "lines": [
                {
                    "begins_at": "2026-11-03T00:00:00-05:00",
                    "value": "Welcome calls",
                    "events": 1,
                    "quantity": "61",
                    "billed_quantity": "120",
                    "cost": "0.028000",
                }
            ],
        },
        also=("application/x-ndjson", "text/csv"),
    ),
    "get_statement": Example(
        {
            "from": "2026-11-01",
            "to": "2026-11-30",
            "timezone": "America/New_York",
            "currency": "USD",
            "wallets": [
                {
                    "type": "outbound",
                    "name": "Outbound Minutes",
                    "opening": "100.000000",
                    "refills": "500.000000",
                    "usage": "-0.028000",
                    "corrections": "0.000000",
                    "adjustments": "0.000000",
                    "closing": "599.972000",
                }
            ],
            "lines": [
                {
                    "type": "outbound",
                    "on": "2026-11-03",
                    "kind": "usage",
                    "description": "",
                    "reference": "",
                    "actor": "",
                    "amount": "-0.028000",
                    "balance": "599.972000",
                }
            ],
        },
        also=("application/x-ndjson", "text/csv"),
    ),
    "list_transfers": Example({"items": [TRANSFER], "next": None}),
    "list_invoices": Example({"items": [INVOICE], "next": None}),
    "get_invoice": Example(
        {
            **INVOICE,
            "subtotal": "50.00",
            "tax": "0.00",
            "period_start_on": "2026-11-01",
            "period_end_on": "2026-11-30",
            "po_number": "",
            "lines": [
                {"description": "Agent seat", "detail": "", "quantity": "4", "unit_price": "12.5", "amount": "50.00"}
            ],
            "settlements": [],
        },
        path={"slug": "northwind", "number": "INV-000042"},
        also=("application/pdf",),
    ),
    "list_credit_notes": Example({"items": [CREDIT_NOTE], "next": None}),
    "get_credit_note": Example(
        {
            **CREDIT_NOTE,
            "po_number": "",
            "tax_note": "",
            "lines": [
                {
                    "invoice_line": 1,
                    "description": "Agent seat",
                    "detail": "12.50 of 50.00 of line 1",
                    "quantity": "1",
                    "unit_price": "12.5",
                    "amount": "12.50",
                    "tax_label": "",
                    "tax_rate": "0",
                    "tax": "0.00",
                }
            ],
        },
        path={"slug": "northwind", "note_number": "CN-000007"},
        also=("application/pdf",),
    ),
    "list_drafts": Example({"items": [DRAFT], "next": None}),
    "get_draft": Example(
        {
            **DRAFT,
            "subtotal": "50.00",
            "tax": "0.00",
            "period_start_on": "2026-12-01",
            "period_end_on": "2026-12-31",
            "due_on": None,
            "po_number": "",
            "notes": "",
            "lines": [
                {
                    "description": "Agent seat",
                    "detail": "",
                    "quantity": "4",
                    "unit_price": "12.5",
                    "amount": "50.00",
                    "tax": "0.00",
                }
            ],
        },
        path={"slug": "northwind", "draft_id": "01a208ab-6f20-7d4e-8a52-2c0b7a1c9d33"},
    ),
    "list_changes": Example(
        {
            "items": [
                {
                    "subscription_id": "01a208ab-5d10-7c3e-9f42-6f0b7a1c9d11",
                    "change_id": "01a208ab-7a30-7e5f-9b62-3d1c8b2d0e44",
                    "name": "Agent seat",
                    "says": "Quantity 6",
                    "recorded_on": "2026-11-03",
                    "from_on": "2026-12-01",
                    "is_coming": True,
                    "is_taken_back": False,
                }
            ],
            "next": None,
        }
    ),
    "get_subscriptions": Example(
        {
            "currency": "USD",
            "recurring": [FEE],
            "upcoming": [],
            "setup": [],
            "recurring_total": "50.00",
            "setup_total": "0.00",
            "period_start_on": "2026-11-01",
            "period_end_on": "2026-11-30",
            "next_charge_on": "2026-12-01",
            "next_charge_amount": "50.00",
        }
    ),
    "preview_invoice": Example(
        {
            "currency": "USD",
            "bill_on": "2026-12-01",
            "period_start_on": "2026-12-01",
            "period_end_on": "2026-12-31",
            "lines": [
                {
                    "subscription_id": "01a208ab-5d10-7c3e-9f42-6f0b7a1c9d11",
                    "description": "Agent seat",
                    "detail": "Monthly fee, charged in advance",
                    "quantity": "4",
                    "price": "12.5",
                    "amount": "50.00",
                    "service_from": "2026-12-01",
                    "service_until": "2026-12-31",
                }
            ],
            "total": "50.00",
        }
    ),
    "get_rate": Example(
        {
            "type": "outbound",
            "to": "+12125550100",
            "prefix": "",
            "description": "",
            "is_own": False,
            "rate_cents": "1.4",
            "connect_fee": "0.000000",
            "minimum_charge": "0.000000",
            "initial_seconds": 60,
            "increment_seconds": 60,
            "quantity": "61",
            "billed_quantity": "120",
            "cost": "0.028000",
        }
    ),
    "rate": Example(
        body=[
            {"account": "northwind", "type": "outbound", "quantity": 61, "to": "+12125550100"},
            {"account": "northwind", "type": "sms", "text": "Your table is ready."},
            {"account": "northwind", "type": "fax", "quantity": 1},
        ],
        answer={
            "quotes": [
                {
                    "index": 0,
                    "account": "northwind",
                    "type": "outbound",
                    "to": "+12125550100",
                    "quantity": "61",
                    "billed_quantity": "120",
                    "encoding": None,
                    "prefix": "",
                    "description": "",
                    "is_own": False,
                    "rate_cents": "1.4",
                    "connect_fee": "0.000000",
                    "minimum_charge": "0.000000",
                    "initial_seconds": 60,
                    "increment_seconds": 60,
                    "cost": "0.028000",
                    "currency": "USD",
                    "arithmetic": "61 s, billed 120 s (60 s steps) x 1.40 ¢/min = $0.028",
                },
                {
                    "index": 1,
                    "account": "northwind",
                    "type": "sms",
                    "to": "",
                    "quantity": "1",
                    "billed_quantity": "1",
                    "encoding": "GSM-7",
                    "prefix": "",
                    "description": "",
                    "is_own": False,
                    "rate_cents": "0.75",
                    "connect_fee": "0.000000",
                    "minimum_charge": "0.000000",
                    "initial_seconds": 1,
                    "increment_seconds": 1,
                    "cost": "0.007500",
                    "currency": "USD",
                    "arithmetic": "1 segment x 0.75 ¢ = $0.0075",
                },
            ],
            "rejected": [{"index": 2, "code": "unknown_type", "message": "There is no credit type “fax”."}],
        },
        path={},
    ),
}
