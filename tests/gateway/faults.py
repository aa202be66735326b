"""The fault plan: which request meets which trouble.

Three ways to plan, looked at in this order:
- by request: `{"kind": ..., "match": {"method": "POST", "path": "/v1/payment_intents", "body": "words", "key": "..."}}`,
  once unless `times` says how often (0: always)
- by ordinal: `{"kind": ..., "ordinal": 7}`: the seventh request that counts since the plan was set
- by seed and rates: `{"seed": 42, "rates": {"drop_after": 0.1, ...}}`: the same seed meets the same requests with the
  same trouble. `by` says what a request's lot is drawn from: "ordinal", "key" (the idempotency key), or the name of a
  parameter of the body such as "amount", with the count of requests of that same value. The latter two do not depend on
  the order in which parallel requests arrive.

`counts` narrows what counts for ordinals and rates: "POST" (only changes; the default), "GET" or "all".
"""

import hashlib
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = {
    "drop_before": "the connection is lost before anything is done",
    "drop_after": "done and remembered, then the connection is lost without an answer",
    "half_answer": "done and remembered; the connection is lost in the middle of the answer",
    "garbled": "done and remembered; the answer is not JSON, as from a broken proxy",
    "error_after": "done, then answered, and remembered, as a 500",
    "error_failed": "began and failed: nothing is done; the 500 is remembered",
    "error_before": "503 in front of everything: nothing is done or remembered",
    "rate_limited": "429 in front of everything: nothing is done or remembered",
    "slow": "done; the answer comes `seconds` later, and the key is in use so long",
    "stalled": "nothing for `seconds`, then done and answered, whether somebody still waits or not",
    "wrong_amount": "charges one minor unit less than asked, and says so",
}
"""https://docs.stripe.com/error-low-level names these: network errors leave open what was done; a 500's result is
indeterminate; the limiter stands before the idempotency layer."""

RATED = tuple(kind for kind in KINDS if kind != "wrong_amount")


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    kind: str
    seconds: float = 0.0


@dataclass
class Planned:
    """One entry of the plan by request or ordinal; `times` is how often it strikes (0: always)."""

    kind: str
    match: dict[str, str] = field(default_factory=dict)
    ordinal: int = 0
    times: int = 1
    seconds: float = 1.0
    struck: int = 0


@dataclass(frozen=True)
class Asked:
    """What the plan looks at of a request."""

    method: str
    path: str
    body: str
    key: str
    params: dict[str, Any]


class Plan:
    """The plan, and the record of what it did."""

    def __init__(self) -> None:
        self._planning = threading.Lock()
        self.set({})

    def set(self, plan: dict[str, Any]) -> None:
        """Replace the plan and count anew. Raises ValueError for an unknown kind or word."""
        known = {"requests", "seed", "rates", "by", "counts", "seconds"}
        if unknown := set(plan) - known:
            raise ValueError(f"a plan has no {', '.join(sorted(unknown))}")
        requests = [Planned(**entry) for entry in plan.get("requests", [])]
        rates = {str(kind): float(rate) for kind, rate in plan.get("rates", {}).items()}
        for kind in [*(entry.kind for entry in requests), *rates]:
            if kind not in KINDS:
                raise ValueError(f"there is no fault {kind}; there are {', '.join(KINDS)}")
        if sum(rates.values()) > 1:
            raise ValueError("the rates add up to more than 1")
        with self._planning:
            self._requests, self._rates = requests, rates
            self._seed, self._by = plan.get("seed", 0), plan.get("by", "ordinal")
            self._counts, self._seconds = plan.get("counts", "POST"), float(plan.get("seconds", 0.2))
            self._ordinal = 0
            self._seen: Counter[str] = Counter()
            self._injected: Counter[str] = Counter()

    def told(self) -> dict[str, Any]:
        """How many requests counted, and how many of them met which fault."""
        with self._planning:
            return {
                "seed": self._seed, "requests": self._ordinal, "injected": dict(self._injected),
                "planned": [asdict(entry) for entry in self._requests],
            }

    def strike(self, asked: Asked) -> Fault | None:
        """The fault that this request meets."""
        with self._planning:
            if self._counted(asked):
                self._ordinal += 1
            fault = self._by_request(asked) or self._by_lot(asked)
            if fault is not None:
                self._injected[fault.kind] += 1
            return fault

    def _counted(self, asked: Asked) -> bool:
        return self._counts in ("all", asked.method)

    def _by_request(self, asked: Asked) -> Fault | None:
        for entry in self._requests:
            if (entry.times and entry.struck >= entry.times) or not self._fits(entry, asked):
                continue
            entry.struck += 1
            return Fault(entry.kind, entry.seconds)
        return None

    def _fits(self, entry: Planned, asked: Asked) -> bool:
        if entry.ordinal:
            return self._counted(asked) and entry.ordinal == self._ordinal
        wanted = entry.match
        return (
            wanted.get("method", asked.method) == asked.method
            and asked.path.startswith(wanted.get("path", ""))
            and wanted.get("body", "") in asked.body
            and wanted.get("key", asked.key) == asked.key
        )

    def _by_lot(self, asked: Asked) -> Fault | None:
        if not self._rates or not self._counted(asked):
            return None
        lot = self._lot(asked)
        for kind, rate in self._rates.items():
            if lot < rate:
                return Fault(kind, self._seconds)
            lot -= rate
        return None

    def _lot(self, asked: Asked) -> float:
        drawn_from = asked.key if self._by == "key" else str(asked.params.get(self._by, ""))
        self._seen[drawn_from] += 1
        name = f"{drawn_from}/{self._seen[drawn_from]}" if drawn_from else str(self._ordinal)
        digest = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56
