"""A month of a busy contact centre as files in the formats that `tollbook import-cdr` reads.

    folder/northwind-asterisk.csv         inbound queues and outbound campaigns        about 26,000 rows
    folder/northwind-freeswitch.csv       a second site's calls, in and out                   8,000
    folder/northwind-freeswitch.json      a third site's calls, both legs                     3,000
    folder/northwind-messages.ndjson      email, SMS, voicemail drops, transcription, AI     23,000
    folder/contoso-asterisk.csv           a small office                                        500
    folder/contoso-messages.ndjson                                                              500

The same seed gives the same records, day by day, whatever `until` and `days` are: files of two runs overlap in equal rows
with equal ids, and importing both debits each once. Nothing lies after `until`. Times are UTC, numbers are fictional.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tollbook.demo import asterisk, freeswitch, messages
from tollbook.demo.cast import CONTOSO, NORTHWIND, Cast
from tollbook.demo.rhythm import Day, days_until

SEED = 555_0100
Rows = list[tuple[datetime, bytes]]


def generate(folder: Path, until: datetime, days: int = 30, seed: int = SEED) -> list[tuple[str, str, Path]]:
    """Write the files and answer (account's slug, format, path) of each, in the order in which to import them.

    They hold the records that were over by `until` (aware) and not before `days` times 24 hours earlier.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for file in _files(seed):
        path = folder / f"{file.cast.account}-{file.name}"
        with path.open("wb") as handle:
            handle.writelines(_between(file, until.astimezone(UTC), days))
        made.append((file.cast.account, file.format, path))
    return made


@dataclass(frozen=True, slots=True)
class _File:
    """One file to be: whose it is, and what it holds of one local day."""

    cast: Cast
    format: str
    name: str
    rows_on: Callable[[date], Rows]


def _files(seed: int) -> Iterator[_File]:
    for cast in (NORTHWIND, CONTOSO):
        yield _File(cast, "asterisk", "asterisk.csv", _asterisk(seed, cast))
        if cast is NORTHWIND:
            yield _File(cast, "freeswitch-csv", "freeswitch.csv", _freeswitch_csv(seed, cast))
            yield _File(cast, "freeswitch-json", "freeswitch.json", _freeswitch_json(seed, cast))
        yield _File(cast, "tollbook", "messages.ndjson", _messages(seed, cast))


def _asterisk(seed: int, cast: Cast) -> Callable[[date], Rows]:
    def rows_on(day: date) -> Rows:
        inbound, outbound = (Day.of(seed, cast.account, f"asterisk-{way}", day) for way in ("in", "out"))
        return asterisk.rows(cast, inbound, outbound)

    return rows_on


def _freeswitch_csv(seed: int, cast: Cast) -> Callable[[date], Rows]:
    return lambda day: freeswitch.csv_rows(cast, Day.of(seed, cast.account, "freeswitch-csv", day))


def _freeswitch_json(seed: int, cast: Cast) -> Callable[[date], Rows]:
    return lambda day: freeswitch.json_rows(cast, Day.of(seed, cast.account, "freeswitch-json", day))


def _messages(seed: int, cast: Cast) -> Callable[[date], Rows]:
    def rows_on(day: date) -> Rows:
        return sorted(
            row for kind in messages.USUAL for row in messages.rows(kind, cast, Day.of(seed, cast.account, kind, day))
        )

    return rows_on


def _between(file: _File, until: datetime, days: int) -> Iterator[bytes]:
    since = until - timedelta(days=days)
    for day in days_until(until, days):
        yield from (row for over_at, row in file.rows_on(day) if since <= over_at <= until)
