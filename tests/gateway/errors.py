"""What the gateway refuses, in the form of https://docs.stripe.com/api/errors."""

from typing import Any

API_KEY_HELP = "You can see your API keys at https://dashboard.stripe.com/apikeys."


class Refusal(Exception):
    """An error that an endpoint answers with. It is remembered under the request's idempotency key, as any result of an
    endpoint that began: https://docs.stripe.com/api/idempotent_requests."""

    remembered = True

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "message": message} | {name: value for name, value in more.items() if value}

    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {"error": self.error}


class Invalid(Refusal):
    """Parameters that do not pass validation: 400, before any endpoint begins, so not remembered
    (https://docs.stripe.com/api/idempotent_requests)."""

    remembered = False

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(400, "invalid_request_error", message, param=param, code=code)


class Early(Refusal):
    """An error from a layer in front of the endpoints, never remembered: limiter, API key, idempotency itself
    (https://docs.stripe.com/error-low-level#content-errors)."""

    remembered = False


def missing(kind: str, reference: str, param: str = "id") -> Refusal:
    """`resource_missing` (https://docs.stripe.com/error-codes#resource-missing): 404 for the object that the address
    names, 400 for one that a parameter names."""
    status = 404 if param == "id" else 400
    return Refusal(status, "invalid_request_error", f"No such {kind}: '{reference}'", code="resource_missing", param=param)


def refused(message: str, code: str | None = None, param: str | None = None, **more: Any) -> Refusal:
    """A 400 of an endpoint: the object's state does not allow it (https://docs.stripe.com/api/errors)."""
    return Refusal(400, "invalid_request_error", message, code=code, param=param, **more)


def no_key() -> Early:
    """https://docs.stripe.com/api/authentication: no key, 401."""
    return Early(401, "invalid_request_error", f"You did not provide an API key. {API_KEY_HELP}")


def wrong_key(key: str) -> Early:
    """https://docs.stripe.com/api/authentication: an unknown key, 401; the message shows its end only."""
    return Early(401, "invalid_request_error", f"Invalid API Key provided: {key[:7]}****{key[-4:]}")


def too_many() -> Early:
    """https://docs.stripe.com/rate-limits: 429 with code `rate_limit`."""
    return Early(
        429, "invalid_request_error",
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        code="rate_limit",
    )


def key_in_use(key: str) -> Early:
    """https://docs.stripe.com/error-codes#idempotency-key-in-use: 409 while the first request with the key runs."""
    return Early(
        409, "idempotency_error",
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        code="idempotency_key_in_use",
    )


def key_of_another(key: str) -> Early:
    """https://docs.stripe.com/api/errors#errors-type `idempotency_error`: a key that comes back with another address or
    other parameters, 400."""
    return Early(
        400, "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a "
        f"key other than '{key}' if you meant to execute a different request.",
    )


def broken() -> Refusal:
    """https://docs.stripe.com/api/errors: 500, type `api_error`."""
    return Refusal(500, "api_error", "An unknown error occurred")
