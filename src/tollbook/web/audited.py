"""The lines of the audit trail as people read them."""

import re

from tollbook.accounts.tables import AuditEntry

LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}")

WORDS = {
    "access.change": "Access changed",
    "access_request.open": "Access requested",
    "access_request.grant": "Access request granted",
    "access_request.decline": "Access request declined",
    "account.open": "Account opened",
    "user.add": "User added",
    "user.rename": "User renamed",
    "user.change_level": "Level changed",
    "user.deactivate": "User deactivated",
    "user.reactivate": "User reactivated",
    "user.new_link": "Password ended, link made",
    "account.change": "Account changed",
    "wallet.adjust": "Balance adjusted",
    "rate.set": "Rate given",
    "rate.import": "Rates imported",
    "component.offer": "Component offered",
    "component.withdraw": "Component withdrawn",
    "subscription.start": "Subscription started",
    "subscription.change_quantity": "Quantity changed",
    "component.set_price": "Price scheduled",
    "subscription.change_price": "Price changed",
    "subscription.discount": "Discount given",
    "subscription.pause": "Subscription paused",
    "subscription.resume": "Subscription resumed",
    "subscription.end": "Last day changed",
    "subscription.take_back": "Change taken back",
    "commitment.agree": "Commitment agreed",
    "commitment.end": "Commitment's last day changed",
    "invoice.credit": "Invoice credited",
    "invoice.write_off": "Invoice written off",
    "invoice.expect_again": "Write-off taken back",
    "draft.compose": "Draft composed",
    "draft.issued": "Draft issued",
    "draft.discarded": "Draft discarded",
    "account.confirm_tax": "Confirmed for tax",
    "details.change": "Billing details changed",
    "seller.keep": "Seller saved",
    "tax.add": "Tax rule added",
    "tax.withdraw": "Tax rule withdrawn",
    "payment.record": "Bank transfer recorded",
    "payment.ask": "Payment asked for",
    "payment.give_up": "Payment given up",
    "payment.late": "Payment charged after it had ended",
    "payment.resolve": "Payment settled by a person",
    "payment.refund": "Refund asked for",
    "payment.dispute": "Payment disputed",
    "collection.set": "Collection schedule set",
    "collection.choose": "Automatic payment chosen",
    "refill_rule.change": "Refill rule changed",
    "refill.ask": "Refill asked for",
    "refill.resolve": "Refill settled by a person",
    "refill.give_up": "Refill given up",
    "refills.limit": "Limit of refills changed",
    "refills.switch": "Refills switched",
    "refills.trip": "Refills stopped for a person",
    "refills.release": "Refills released",
    "payment_method.add": "Card added",
    "payment_method.default": "Card chosen",
    "payment_method.backup": "Backup card chosen",
    "payment_method.refresh": "Card renewed by its bank",
    "payment_method.remove": "Card removed",
    "alert.choose": "Mail chosen",
    "alert.remove_address": "Address removed",
    "alert.levels": "Low balance levels",
    "alert.send_again": "Sent again",
    "endpoint.add": "Webhook endpoint added",
    "endpoint.change": "Webhook endpoint changed",
    "endpoint.rotate": "Webhook secret rotated",
    "endpoint.switch": "Webhook endpoint switched",
    "endpoint.remove": "Webhook endpoint removed",
    "endpoint.test": "Test event sent",
    "api_key.create": "API key made",
    "api_key.revoke": "API key revoked",
}
Change = tuple[str, object, object]


def in_words(action: str) -> str:
    """What was done, as people say it; `refill_rule.change` that nobody put into words is "Refill rule: change"."""
    noun, _, verb = action.replace("_", " ").partition(".")
    return WORDS.get(action) or (f"{noun}: {verb}" if verb else noun).capitalize()


def about(target: str) -> str:
    """The thing itself: `user/ada@example.com` is ada@example.com."""
    return target.partition("/")[2].rstrip("/") or target


def changes(entry: AuditEntry) -> list[Change]:
    """What changed, as (name, before, after); before is None where there was nothing."""
    before, after = entry.before or {}, entry.after or {}
    return [(_name(key), _plain(before.get(key)), _plain(after.get(key))) for key in {**before, **after}]


def _plain(value: object) -> object:
    """The value as people write it: `12.50` for `12.500000`, `yes` for `True`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and LONG_DECIMAL.fullmatch(value):
        whole, _, places = value.partition(".")
        return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
    return value


def _name(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]
