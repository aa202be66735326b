"""What a batch owes the roll-ups by attribute: its events as numbers, packed side by side, so that the fold reads no event.

40 bytes an event, big-endian, as PostgreSQL's `int4send` and `int8send` write them: the quarter of an hour since 1970, the
ids of campaign and agent (0: none), where the number leads (`country.places_of`), and quantity, billed quantity and cost
in millionths.
"""

from collections.abc import Sequence

import numpy as np

QUARTER_US = 15 * 60 * 1_000_000
PACKED = np.dtype(
    [("quarter", ">i4"), ("campaign", ">i4"), ("agent", ">i4"), ("place", ">i4"), ("quantity", ">i8"), ("billed", ">i8"),
     ("cost", ">i8")]
)  # fmt: skip


def packed(
    at_us: np.ndarray,
    campaigns: np.ndarray,
    agents: np.ndarray,
    places: np.ndarray,
    micro: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> bytes:
    """These events packed: columns of one length; `places` are those of `country`, `micro` quantity, billed quantity and
    cost in millionths."""
    rows = np.empty(len(at_us), PACKED)
    rows["quarter"] = at_us // QUARTER_US
    rows["campaign"], rows["agent"] = campaigns, agents
    rows["place"] = places
    rows["quantity"], rows["billed"], rows["cost"] = micro
    return rows.tobytes()


def unpacked(parts: Sequence[bytes]) -> np.ndarray:
    """The events of several batches, one after the other."""
    return np.frombuffer(b"".join(parts), PACKED)
