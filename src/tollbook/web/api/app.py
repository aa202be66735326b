"""The application for machines, to be mounted for /api/ and the health and metrics paths. Django must be set up first."""

from litestar import Litestar, Router

from tollbook.web.api import (
    breakdown,
    credit_notes,
    drafts,
    events,
    gateways,
    health,
    holds,
    invoices,
    ledger,
    metrics,
    openapi,
    problems,
    rates,
    statement,
    subscriptions,
    threads,
    usage,
    wallets,
)
from tollbook.web.api.auth import require_key, require_media_type
from tollbook.web.api.door import Door
from tollbook.web.api.edge import Edge
from tollbook.web.intake import LARGEST_BODY, Intake

v1 = Router(
    "/api/v1",
    route_handlers=[
        usage.send_usage,
        holds.place_hold,
        holds.extend_hold,
        holds.capture_hold,
        holds.release_hold,
        wallets.list_wallets,
        wallets.get_rule,
        wallets.set_rule,
        wallets.ask_refill,
        wallets.list_refills,
        events.list_events,
        breakdown.get_usage,
        statement.get_statement,
        ledger.list_transfers,
        invoices.list_invoices,
        invoices.get_invoice,
        credit_notes.list_credit_notes,
        credit_notes.get_credit_note,
        drafts.list_drafts,
        drafts.get_draft,
        subscriptions.get_subscriptions,
        subscriptions.preview_invoice,
        subscriptions.list_changes,
        rates.get_rate,
        rates.rate,
    ],
    guards=[require_key, require_media_type],
)
threads.use()
inner = Litestar(
    route_handlers=[v1, gateways.take_webhook, openapi.openapi_json, health.healthz, health.readyz, metrics.metrics],
    exception_handlers=problems.HANDLERS,
    request_max_body_size=LARGEST_BODY,
    logging_config=None,
    openapi_config=None,
)
api = Edge(Intake(Door(inner), problems.of_body))
