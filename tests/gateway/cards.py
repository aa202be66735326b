"""The documented test cards: https://docs.stripe.com/testing, by PaymentMethod token and by number.

Decline codes and what they mean: https://docs.stripe.com/declines/codes. Codes of errors: https://docs.stripe.com/error-codes.
"""

from dataclasses import dataclass

from tests.gateway.errors import Refusal

MESSAGES = {
    "card_declined": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "incorrect_number": "Your card number is incorrect.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
    "card_velocity_exceeded": (
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."
    ),
}


@dataclass(frozen=True)
class Card:
    """A test card. `code` and `decline` say how a charge fails; `attaches` whether it can be saved; `authentication`
    is "always", "unless set up", or "" ; `dispute` the reason of the dispute that follows a charge; `refunds` how
    refunds end."""

    token: str
    number: str
    brand: str = "visa"
    code: str = ""
    decline: str = ""
    attaches: bool = True
    authentication: str = ""
    dispute: str = ""
    refunds: str = "succeeded"

    @property
    def last4(self) -> str:
        return self.number[-4:]


def _declines(token: str, number: str, code: str, decline: str = "") -> Card:
    """https://docs.stripe.com/testing#declined-payments: the cards of this table can't be attached to a Customer."""
    return Card(token, number, code=code, decline=decline, attaches=False)


CARDS = (
    Card("pm_card_visa", "4242424242424242"),
    Card("pm_card_visa_debit", "4000056655665556"),
    Card("pm_card_mastercard", "5555555555554444", "mastercard"),
    Card("pm_card_amex", "378282246310005", "amex"),
    Card("pm_card_discover", "6011111111111117", "discover"),
    _declines("pm_card_visa_chargeDeclined", "4000000000000002", "card_declined", "generic_decline"),
    _declines("pm_card_visa_chargeDeclinedInsufficientFunds", "4000000000009995", "card_declined", "insufficient_funds"),
    _declines("pm_card_visa_chargeDeclinedLostCard", "4000000000009987", "card_declined", "lost_card"),
    _declines("pm_card_visa_chargeDeclinedStolenCard", "4000000000009979", "card_declined", "stolen_card"),
    _declines("pm_card_chargeDeclinedExpiredCard", "4000000000000069", "expired_card"),
    _declines("pm_card_chargeDeclinedIncorrectCvc", "4000000000000127", "incorrect_cvc"),
    _declines("pm_card_chargeDeclinedProcessingError", "4000000000000119", "processing_error"),
    _declines(
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded", "4000000000006975", "card_declined", "card_velocity_exceeded"
    ),
    Card("pm_card_chargeCustomerFail", "4000000000000341", code="card_declined", decline="generic_decline"),
    Card("pm_card_radarBlock", "4100000000000019", code="card_declined", decline="fraudulent"),
    Card("pm_card_authenticationRequiredOnSetup", "4000002500003155", authentication="unless set up"),
    Card("pm_card_authenticationRequired", "4000002760003184", authentication="always"),
    Card("pm_card_authenticationRequiredSetupForOffSession", "4000003800000446"),
    Card(
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "4000008260003178",
        code="card_declined", decline="insufficient_funds", authentication="always",
    ),
    Card("pm_card_createDispute", "4000000000000259", dispute="fraudulent"),
    Card("pm_card_createDisputeProductNotReceived", "4000000000002685", dispute="product_not_received"),
    Card("pm_card_pendingRefund", "4000000000007726", refunds="pending"),
    Card("pm_card_refundFail", "4000000000005126", refunds="failed"),
)
BY_TOKEN = {card.token: card for card in CARDS}
BY_NUMBER = {card.number: card for card in CARDS}


def passes_luhn(number: str) -> bool:
    """The check digit that https://docs.stripe.com/testing uses for `incorrect_number`."""
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[0::2]) % 10 == sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) * -1 % 10


def declined(card: Card, **more: object) -> Refusal:
    """The 402 for a card that fails: https://docs.stripe.com/api/errors#errors-card_error."""
    return card_error(card.code, card.decline, **more)


def card_error(code: str, decline: str = "", **more: object) -> Refusal:
    """A `card_error`, with the message that belongs to its decline code, or to its code."""
    message = MESSAGES.get(decline) or MESSAGES.get(code, MESSAGES["card_declined"])
    return Refusal(
        402, "card_error", message, code=code, decline_code=decline,
        doc_url=f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}", **more,
    )
