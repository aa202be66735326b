"""What tests of reports share: moving what was posted to the day that a test wants it on."""

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.databases import Database

UTC_NOON = time(12, tzinfo=ZoneInfo("UTC"))


def newest_transfer(db: Database, account_id: UUID) -> UUID:
    """The id of what was posted last."""
    with db.connect("owner") as owner:
        row = owner.execute(
            "SELECT id FROM transfer WHERE account_id = %s ORDER BY posted_at DESC, id DESC LIMIT 1", [account_id]
        ).fetchone()
    assert row is not None
    return row[0]


def post_on(db: Database, transfers: dict[UUID, date]) -> None:
    """Move transfers to noon of days, in the order they are given: what no role of the application may do."""
    with db.connect("owner") as owner:
        for place, (id, day) in enumerate(transfers.items()):
            at = datetime.combine(day, UTC_NOON).replace(microsecond=place)
            owner.execute("UPDATE transfer SET posted_at = %s WHERE id = %s", [at, id])
