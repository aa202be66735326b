"""What the gateway remembers by idempotency key. https://docs.stripe.com/api/idempotent_requests

- the status and body of the first execution, whether it succeeded or failed, also a 500: replayed for the same key;
- the same key with other parameters, or at another address: an error;
- the same key while the first request runs: 409, not remembered;
- what fails validation, or never reaches an endpoint (429, 401): not remembered;
- keys may be up to 255 characters long, count for POST only, and are removed when 24 hours old.
"""

from dataclasses import asdict, dataclass
from typing import Any

from tests.gateway import errors
from tests.gateway.clock import Clock

REMEMBERED_SECONDS = 24 * 3600
LONGEST_KEY = 255


@dataclass
class Execution:
    """The first request with a key: what it asked, and how it ended; status 0 while it runs."""

    key: str
    asked: str
    began: float
    request_id: str
    status: int = 0
    body: str = ""


class Memory:
    """The keys. Its methods are called under the books' lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._executions: dict[str, Execution] = {}

    def begin(self, key: str, asked: str, request_id: str) -> Execution | None:
        """Take `key` for a request; or the finished execution that is to be replayed. Raises Refusal."""
        if len(key) > LONGEST_KEY:
            raise errors.Invalid(f"Idempotency keys can be at most {LONGEST_KEY} characters.")
        known = self._executions.get(key)
        if known is not None and self._pruned(known):
            known = None
        if known is None:
            self._executions[key] = Execution(key, asked, self._clock.now(), request_id)
            return None
        if known.asked != asked:
            raise errors.key_of_another(key)
        if known.status == 0:
            raise errors.key_in_use(key)
        return known

    def ended(self, key: str, status: int, body: str) -> dict[str, Any]:
        """The record of an execution that ended, for the journal and for `restore`, which makes it what is replayed."""
        return asdict(self._executions[key]) | {"status": status, "body": body}

    def release(self, key: str) -> None:
        """Nothing began: forget the key."""
        del self._executions[key]

    def restore(self, record: dict[str, Any]) -> None:
        """Remember how an execution ended."""
        self._executions[record["key"]] = Execution(**record)

    def _pruned(self, known: Execution) -> bool:
        return known.status != 0 and self._clock.now() - known.began >= REMEMBERED_SECONDS
