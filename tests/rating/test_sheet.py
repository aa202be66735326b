"""Rate sheets in the dress that carriers send them in; every line that can't be taken is named."""

from decimal import Decimal

import pytest

from tollbook.errors import Invalid
from tollbook.rating.sheet import Reading, Sheet, read

PLAIN = "prefix,rate\n"


def sheet(text: str, **reading: object) -> Sheet:
    return read(text.encode(), Reading(**reading))


def only(text: str, **reading: object) -> tuple:
    """The one line of a sheet without bad ones: prefix, name, rate, fees, steps."""
    found = sheet(text, **reading)
    assert (found.bad, len(found.lines)) == ([], 1)
    return found.lines[0].prefix, found.lines[0].description, *found.lines[0].terms


@pytest.mark.parametrize(
    "text",
    [
        "prefix,description,rate,connect_fee,minimum_charge,initial,increment\n1212,New York,1.25,0.01,0.02,30,6\n",
        "Prefix;Destination;Rate (cents);Connect fee;Min. charge;Initial increment;Next increment\n"
        "+1212;New York;1,25;0,01;0,02;30;6",
        "Destination Name\tDial Code\tRate/min\tConnection Fee\tMinimum Charge\tBilling Increments\r\n"
        "New York\t'1212\t1.25\t0.01\t0.02\t30/6\r\n",
        '"Country"|"Code"|"Price"|"Setup Fee"|"Minimum Fee"|"Interval 1"|"Interval N"\n'
        '"New York"|"1212"|"$1.25"|"$0.01"|"0.02"|"30 s"|"6 s"\n\n|||||\n',
        'sep=;\nCODE;DESCRIPTION;NEW RATE;CONNECT_FEE;MINCHARGE;FIRST INTERVAL;INTERVAL\n'
        '="1212";New York;1,25;0,01;0,02;30;6\n',
    ],
)
def test_a_sheet_is_understood_by_the_names_of_its_columns(text: str) -> None:
    assert only(text) == ("1212", "New York", Decimal("1.25"), Decimal("0.01"), Decimal("0.02"), 30, 6)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_sheet_may_have_any_usual_encoding(encoding: str) -> None:
    found = read("prefix,rate,name\n33,1,Île-de-France\n".encode(encoding), Reading())
    assert [line.description for line in found.lines] == ["Île-de-France"]


def test_a_star_is_every_destination_that_is_not_listed() -> None:
    assert [line.prefix for line in sheet(PLAIN + "*,1\n1,2\n").lines] == ["", "1"]


def test_leading_zeros_matter() -> None:
    assert [line.prefix for line in sheet(PLAIN + "00,1\n0,2\n").lines] == ["00", "0"]


def test_rates_in_the_currency_are_made_cents() -> None:
    assert only("prefix,rate,connect fee\n1,0.0125,0.5\n", in_currency=True)[2:4] == (Decimal("1.25"), Decimal("0.5"))


@pytest.mark.parametrize("name", ["Rate (USD)", "rate $", "Price EUR/min"])
def test_a_column_that_says_dollars_is_not_taken_for_cents(name: str) -> None:
    with pytest.raises(Invalid, match="in cents per unit or in whole currency"):
        sheet(f"prefix,{name}\n1,1\n")
    assert only(f"prefix,{name}\n1,1\n", in_currency=False)[2] == 1


def test_steps_stand_in_the_sheet_or_are_said_once_for_all() -> None:
    text = "prefix,rate,increment\n1,1,60/60\n2,1,\n3,1,6\n"
    steps = [line.terms[3:] for line in sheet(text, steps=(30, 6)).lines]
    assert steps == [(60, 60), (30, 6), (6, 6)]
    assert {line.terms[3:] for line in sheet(text, steps=(30, 6), timed=False).lines} == {(1, 1)}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (",1", "the prefix is missing; write *"),
        ("12-15,1", "“12-15” is not a prefix"),
        ("1.2E+11,1", "is not a prefix: digits only, at most 15"),
        ("1234567890123456,1", "is not a prefix: digits only, at most 15"),
        ("١٢,1", "is not a prefix"),
        ("12", "the rate is missing"),
        ("12,", "the rate is missing"),
        ("12,free", "the rate “free” is not a price"),
        ("12,-1", "the rate “-1” is not a price"),
        ("12,1e3", "is not a price"),
        ('12,"1,5"', "is not a price"),
        ("12,0.0000001", "the rate “0.0000001” has too many decimal places"),
        ("12,1000001", "is more than 1,000,000"),
        ("12,1,NaN", "the connect fee “NaN” is not a price"),
        ("12,1,,0", "“0” is not a billing step"),
        ("12,1,,30/x", "“x” is not a billing step"),
        ("12,1,,999999", "“999999” is not a billing step"),
        ("1,2", "+1 stands on line 2 already, at another price"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_the_others_are_taken(line: str, says: str) -> None:
    found = sheet(f"prefix,rate,connect fee,increment\n1,1\n\n{line}\n44,2\n")
    assert [(bad.number, says in bad.message) for bad in found.bad] == [(4, True)], found.bad
    assert [one.prefix for one in found.lines] == ["1", "44"]


def test_a_line_that_stands_there_twice_alike_counts_once() -> None:
    found = sheet(PLAIN + "1,2\n+1,2.0\n")
    assert (len(found.lines), found.bad) == (1, [])


def test_a_quotation_mark_that_is_not_closed_swallows_no_line_in_silence() -> None:
    found = sheet('prefix,rate,name\n1,1,"New York\n2,2,LA\n3,3,"x"\n')
    assert [bad.number for bad in found.bad] == [2] and "quotation mark" in found.bad[0].message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it has: nothing"),
        (b"1212,1.5\n1213,2\n", "it has: 1212, 1.5"),
        (b"prefix,name\n1,x\n", "and a rate among them"),
        (b"prefix,rate,Rate\n1,1,2\n", "Two columns are called"),
        (b"PK\x03\x04rest", "save it as CSV"),
        (b"prefix,rate\n1\x00,2\n", "not a text file"),
        (b'prefix,rate\n1,"' + b"x" * 200_000, "can't be read"),
    ],
)
def test_what_is_no_sheet_is_refused_in_words(data: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        read(data, Reading())


def test_columns_that_are_not_read_are_told() -> None:
    found = sheet("Prefix,Effective date,Rate,Comment\n1,2026-12-01,1,x\n")
    assert (found.columns, found.ignored) == ({"prefix": "Prefix", "rate": "Rate"}, ["Effective date", "Comment"])
