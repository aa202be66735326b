"""The gateway's clock: the machine's, plus what tests put on top."""

import threading
import time


class Clock:
    """Seconds since 1970. Moves forward only, as far as tests say; everything that has a term goes by it."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self._moving = threading.Lock()

    def now(self) -> float:
        """The instant, with fractions."""
        return time.time() + self.ahead

    def second(self) -> int:
        """The instant as Stripe writes it: whole seconds."""
        return int(self.now())

    def advance(self, seconds: float) -> None:
        """Put `seconds` on top. Raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError("the clock does not go back")
        with self._moving:
            self.ahead += seconds
