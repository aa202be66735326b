"""A paper that does not add up cannot be made."""

from decimal import Decimal

import pytest

from tests.invoicing.document.papers import line, paper
from tollbook.errors import Invalid


def test_lines_that_miss_the_subtotal_by_a_cent_are_refused():
    """lago #4642, Autumn #3407: rounded lines did not add up to the printed total."""
    with pytest.raises(Invalid, match="lines sum to 0.99"):
        paper(line(1, amount="0.33"), line(2, amount="0.33"), line(3, amount="0.33"), subtotal=Decimal("1.00"))


def test_subtotal_and_tax_that_miss_the_total_are_refused():
    with pytest.raises(Invalid, match="do not make the total"):
        paper(tax="1.00", total=Decimal("1226.01"))


def test_an_amount_finer_than_the_minor_unit_is_refused():
    with pytest.raises(Invalid, match="finer than JPY"):
        paper(line(1, amount="10.50"), currency="JPY")


def test_amounts_as_the_database_gives_them_are_taken():
    assert paper(line(1, amount="10.000000")).total == 10


@pytest.mark.parametrize("more", [{"accent": "red"}, {"accent": "#3b5bdb\n"}, {"currency": "usd"}, {"currency": "$"}])
def test_malformed_codes_are_refused(more):
    with pytest.raises(Invalid):
        paper(**more)
