"""How many requests a second the gateway takes."""

import threading

from tests.gateway.clock import Clock


class Limiter:
    """A bucket per second. https://docs.stripe.com/rate-limits: beyond the limit requests get 429; the limiter stands
    before the idempotency layer (https://docs.stripe.com/error-low-level#content-errors), so that a 429 is never what a
    key remembers."""

    def __init__(self, clock: Clock, per_second: int = 0) -> None:
        self.per_second = per_second
        self._clock = clock
        self._second = 0
        self._taken = 0
        self._counting = threading.Lock()

    def full(self) -> bool:
        """Count one request; whether it is one too many. A limit of 0 is none."""
        with self._counting:
            second = self._clock.second()
            if second != self._second:
                self._second, self._taken = second, 0
            self._taken += 1
            return 0 < self.per_second < self._taken
