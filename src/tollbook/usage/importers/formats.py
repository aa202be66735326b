"""The formats by the names that people type."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from tollbook.usage.importers import asterisk, freeswitch_csv, freeswitch_json, ndjson
from tollbook.usage.importers.row import Reading, Row

FORMATS: Mapping[str, Callable[[BinaryIO, Reading], Iterator[Row]]] = {
    "asterisk": asterisk.rows,
    "freeswitch-csv": freeswitch_csv.rows,
    "freeswitch-json": freeswitch_json.rows,
    "tollbook": ndjson.rows,
}
