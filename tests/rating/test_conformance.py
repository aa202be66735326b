"""The published vectors, every one of them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from tollbook.money.amount import whole_multiples_above
from tollbook.rating.charges import Percentage, Tier, graduated, marginal, package, percentage, true_up, volume
from tollbook.rating.compiled import FOREVER_US, NEVER, RATE, compiled
from tollbook.rating.destination import key_of, keys_of
from tollbook.rating.price import Terms, price
from tollbook.rating.segments import encoding, segments

FOLDER = Path(__file__).parents[2] / "conformance"
ZERO = "0"


def vectors(name: str) -> list[Any]:
    told = json.loads((FOLDER / f"{name}.json").read_text())
    assert told["title"] and told["rule"] and told["fields"] and all(one["source"] for one in told["vectors"])
    return [pytest.param(one, id=f"{name}-{place}") for place, one in enumerate(told["vectors"], 1)]


@pytest.mark.parametrize("vector", vectors("time"))
def test_time(vector: dict[str, Any]) -> None:
    terms = Terms(
        account_id=UUID(int=0),
        id=UUID(int=1),
        prefix="",
        rate_cents=Decimal(vector.get("rate", ZERO)) * 100,
        connect_fee=Decimal(vector.get("connect_fee", ZERO)),
        initial_seconds=vector["initial"],
        increment_seconds=vector["increment"],
        timed=True,
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
        valid_until=None,
        minimum_charge=Decimal(vector.get("minimum_charge", ZERO)),
    )
    priced = price(terms, Decimal(vector["seconds"]))
    assert priced.billed == Decimal(vector["billed"])
    assert "cost" not in vector or priced.cost == Decimal(vector["cost"])


@pytest.mark.parametrize("vector", vectors("segments"))
def test_segments(vector: dict[str, Any]) -> None:
    text = "".join(character * times for character, times in vector["text"])
    assert (encoding(text), segments(text)) == (vector["encoding"], vector["segments"])


@pytest.mark.parametrize("vector", vectors("prefixes"))
def test_prefixes(vector: dict[str, Any]) -> None:
    columns = np.zeros(len(vector["prefixes"]), RATE)
    columns["low"], columns["length"] = keys_of(vector["prefixes"]), [len(one) for one in vector["prefixes"]]
    columns["until_us"] = FOREVER_US
    table = compiled(columns)
    row = table.search_one(key_of(vector["number"]), 0)
    found = {key_of(prefix): prefix for prefix in vector["prefixes"]}
    assert (None if row == NEVER else found[int(table.rates[row]["low"])]) == vector["prefix"]


@pytest.mark.parametrize("vector", vectors("charges"))
def test_charges(vector: dict[str, Any]) -> None:
    assert _charge(vector) == Decimal(vector["cost"])


def _charge(vector: dict[str, Any]) -> Decimal:
    match vector["model"]:
        case "package":
            return package(*(Decimal(vector[name]) for name in ("units", "size", "price", "free_units")))
        case "percentage":
            rate, fee, most = (Decimal(vector[name]) for name in ("rate", "fee", "free_amount"))
            return percentage(
                [Decimal(one) for one in vector["amounts"]], Percentage(rate, fee, vector["free_events"], most)
            )
        case "true_up":
            return true_up(Decimal(vector["charged"]), Decimal(vector["minimum"]))
    model = {"graduated": graduated, "volume": volume}[vector["model"]]
    return sum((_part(model, part) for part in vector["parts"]), Decimal(0))


def _part(model: Any, part: dict[str, Any]) -> Decimal:
    tiers = [Tier(**{name: value and Decimal(value) for name, value in tier.items()}) for tier in part["tiers"]]
    return marginal(partial(model, tiers=tiers), Decimal(part.get("before", ZERO)), Decimal(part["units"]))


@pytest.mark.parametrize("vector", vectors("refills"))
def test_refills(vector: dict[str, Any]) -> None:
    balance, minimum, amount = (Decimal(vector[name]) for name in ("balance", "minimum", "refill_amount"))
    charge = whole_multiples_above(minimum - balance, amount) * amount if balance <= minimum else 0
    assert charge == Decimal(vector["charge"])
