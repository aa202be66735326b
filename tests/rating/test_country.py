"""Which country a number belongs to, checked against Google's libphonenumber."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType, example_number_for_type, region_code_for_number

from tollbook.rating.country import codes_of, country_of, name_of, places_of, ranges

SHARED = {"BL": "GP", "MF": "GP", "AC": "SH", "TA": "SH"}
"""Territories that can't be told from another one by seven digits, and two that ISO 3166 counts to Saint Helena."""


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_regions_numbers_belong_to_its_country(region: str) -> None:
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        example = example_number_for_type(region, kind)
        if example is None or region_code_for_number(example) != region:
            continue
        text = f"{example.country_code}{phonenumbers.national_significant_number(example)}"
        assert country_of(text) == country_of(f"+{text}") == SHARED.get(region, region), text
        assert name_of(country_of(text)) != country_of(text)


def test_every_area_code_of_north_america_belongs_to_the_country_that_has_it() -> None:
    for area in range(200, 1000):
        region = region_code_for_number(phonenumbers.parse(f"+1{area}2345678"))
        assert country_of(f"+1{area}2345678") == (region or "US"), area


@pytest.mark.parametrize(
    "number",
    [
        "",
        "anonymous",
        "sip:1212@x",
        "911",
        "+44",
        "0044207946000",
        "12125x50100",
        "1212555\n",
        "+80012345678",
        "+8811234567",
    ],
)
def test_what_is_no_number_of_a_country_has_none(number: str) -> None:
    assert country_of(number) == ""


def test_the_ranges_leave_nothing_out_and_rise() -> None:
    found = ranges()
    assert found.starts[0] == 1_000_000 and found.starts == sorted(set(found.starts))
    assert all(one != other for one, other in zip(found.countries, found.countries[1:], strict=False))


NUMBERS = st.from_regex(r"\+{0,3}[0-9]{0,20}[a-z ]?", fullmatch=True) | st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=64
)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_many_numbers_at_once_belong_to_the_countries_of_each(numbers: list[str]) -> None:
    assert codes_of(places_of(numbers)).tolist() == [country_of(number) for number in numbers]
