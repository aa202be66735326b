"""Changing money settings: form, review with the computed effect, confirm, receipt; never a bare toggle."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.test import Client

from tests.cast import a_rate, funded, wallet
from tests.people import People, grant, people
from tests.refills.shop import gateway_is
from tests.web.portal.test_credits import signed_in, words
from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import AuditEntry
from tollbook.payments import method
from tollbook.payments.method import NewMethod
from tollbook.refills import run
from tollbook.refills.tables import OperatorSwitch, Refill, RefillRule
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.wallets.wallet import open_wallets

WALLET = "/billing/credits/outbound/"
RULE, REFILL, RELEASE = (f"{WALLET}{page}/" for page in ("rule", "refill", "release"))
TYPED = {
    "automatic": "on", "refill_amount": "500", "minimum_before_refill": "$50.00", "max_charges_per_day": "3",
    "monthly_cap": "5,000", "version": "0",
}  # fmt: skip
OWNER = Actor("user", "1", "owner@northwind.example")


@pytest.fixture(autouse=True)
def simulated() -> Iterator[None]:
    """Cards are charged at the simulated gateway."""
    with gateway_is():
        yield


@pytest.fixture
def them(db, static_files) -> People:
    """Northwind has $100 of outbound minutes, used $20 of them, and a card that succeeds."""
    them = people()
    for account in (them.northwind, them.contoso):
        open_wallets(account)
    a_rate(cents="10", initial=60, step=60)
    funded(them.northwind, amount="100")
    record(them.northwind.id, [Event("call", "outbound", Decimal(12_000), datetime.now(UTC) - timedelta(days=1))])
    method.add(them.northwind.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 11, 2030), OWNER)
    return them


def hidden(html: str) -> dict[str, str]:
    """What the page's main form posts without anybody typing."""
    part = html[html.index("<main") :]
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', part)
    }


def text(client: Client, path: str, data: dict[str, str] | None = None, status: int = 200) -> str:
    response = client.get(path) if data is None else client.post(path, data)
    assert response.status_code == status, words(response.getvalue().decode())[:400]
    return response.getvalue().decode()


def reviewed(client: Client, **changed: str) -> str:
    return text(client, RULE, TYPED | changed)


def the_rule(them: People) -> RefillRule | None:
    return RefillRule.objects.filter(account_id=them.northwind.id).first()


def test_a_rule_is_set_by_form_review_and_confirmation(them) -> None:
    client = signed_in(them.owner)
    assert "There is no refill rule yet" in words(text(client, WALLET))
    html = reviewed(client)
    said = words(html)
    assert "When Outbound Minutes falls to $50.00 or less, charge $500.00 to Visa •• 4242" in said
    assert "at most 3 times a day and $5,000.00 a month" in said
    assert "At last month's pace this would" in said
    assert the_rule(them) is None, "a review changes nothing"
    done = client.post(RULE, hidden(html), follow=True)
    said = words(done.content.decode())
    assert "Saved by owner@northwind.example" in said and "When Outbound Minutes falls to $50.00 or less" in said
    rule = the_rule(them)
    assert (rule.automatic, rule.refill_amount, rule.minimum_before_refill, rule.monthly_cap) == (True, 500, 50, 5000)
    entry = AuditEntry.objects.get(account_id=them.northwind.id, action="refill_rule.change")
    assert (entry.actor_name, entry.target, entry.before) == ("owner@northwind.example", "wallet/outbound", None)
    assert entry.after["refill_amount"] == "500.00" or Decimal(entry.after["refill_amount"]) == 500


def test_the_review_shows_what_differs_and_warns_when_the_card_is_charged_at_once(them) -> None:
    client = signed_in(them.owner)
    client.post(RULE, hidden(reviewed(client)))
    html = reviewed(client, minimum_before_refill="90", version="1")
    said = words(html)
    assert "Minimum Before Refill $50.00 $90.00" in said and "Refill Amount $500.00" not in said
    assert "would charge $500.00 right now" in said or "would not be charged now" in said
    assert 'class="notice warning"' in html


def test_saving_what_is_set_already_is_said_to_change_nothing(them) -> None:
    client = signed_in(them.owner)
    client.post(RULE, hidden(reviewed(client)))
    assert "nothing would change" in words(text(client, RULE, TYPED | {"version": "1"}, 400))


NONSENSE = [
    ("refill_amount", "lots", "“lots” is not an amount; write it like 250.00."),
    ("refill_amount", "", "This field is required."),
    ("refill_amount", "0", "The refill amount must be more than zero."),
    ("refill_amount", "-5", "The refill amount must be more than zero."),
    ("refill_amount", "10.005", "has more decimal places than 2"),
    ("refill_amount", "1e30", "is not an amount"),
    ("refill_amount", "NaN", "is not an amount"),
    ("minimum_before_refill", "-1", "The minimum can't be below zero."),
    ("minimum_before_refill", "<script>", "“<script>” is not an amount"),
    ("max_charges_per_day", "0", "Allow 1 to 100 charges a day."),
    ("max_charges_per_day", "often", "Enter a whole number."),
    ("max_charges_per_day", "99999999999999999999", "Allow 1 to 100 charges a day."),
    ("monthly_cap", "499", "A cap of $499.00 a month does not allow a single refill."),
    ("monthly_cap", "\x00", "Null characters are not allowed."),
]


@pytest.mark.parametrize(("field", "typed", "expected"), NONSENSE)
@pytest.mark.parametrize("step", ["", "confirm"])
def test_nonsense_is_explained_beside_its_field_and_what_was_typed_stays(
    them, field: str, typed: str, expected: str, step: str
) -> None:
    html = text(signed_in(them.owner), RULE, TYPED | {field: typed, "step": step}, 400)
    assert expected in words(html)
    part = html[html.index(f'for="id_{field}"') :]
    assert expected in words(f"<main>{part[: part.index('</ul>')]}"), "beside its field"
    others = {name: value for name, value in TYPED.items() if name not in (field, "automatic", "version")}
    kept = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', html)}
    assert {name: kept[name] for name in others} == others
    if typed and typed != "\x00":
        assert kept[field] == typed
    assert the_rule(them) is None


def test_going_back_from_the_review_keeps_what_was_typed(them) -> None:
    client = signed_in(them.owner)
    back = unescape(re.search(r'class="button" href="([^"]+)">Change something', reviewed(client))[1])
    html = text(client, back)
    assert 'value="$50.00"' in html and 'value="5,000"' in html and "checked" in html


def test_a_rule_that_somebody_changed_meanwhile_is_not_overwritten(them) -> None:
    client = signed_in(them.owner)
    mine = hidden(reviewed(client))
    client.post(RULE, hidden(reviewed(client, refill_amount="700")))
    html = text(client, RULE, mine, 400)
    assert "Somebody changed this rule meanwhile; look at it again." in words(html)
    assert the_rule(them).refill_amount == 700
    assert 'name="version" value="1"' in html, "the next review is against the rule as it is now"


def test_automatic_refill_is_switched_off_and_on_with_a_review_each(them) -> None:
    client = signed_in(them.owner)
    client.post(RULE, hidden(reviewed(client)))
    for wanted, button in ((False, "Turn off ..."), (True, "Turn on ...")):
        html = text(client, WALLET)
        assert button in html
        form = html[html.rindex("<form", 0, html.index(button)) : html.index(button)]
        html = text(client, RULE, hidden(f"<main{form}"))
        assert f"Automatic refill {'On' if not wanted else 'Off'} {'On' if wanted else 'Off'}" in words(html)
        assert the_rule(them).automatic is not wanted
        client.post(RULE, hidden(html))
        assert the_rule(them).automatic is wanted


def test_undo_leads_to_the_review_of_the_way_back(them) -> None:
    client = signed_in(them.owner)
    client.post(RULE, hidden(reviewed(client)))
    done = client.post(RULE, hidden(reviewed(client, refill_amount="700", version="1")), follow=True)
    html = done.content.decode()
    receipt = html[html.index('class="receipt"') :]
    html = text(client, RULE, hidden(f"<main{receipt[: receipt.index('</form>')]}"))
    assert "Refill Amount $700.00 $500.00" in words(html)
    client.post(RULE, hidden(html))
    assert (the_rule(them).refill_amount, the_rule(them).version) == (500, 3)


def test_a_receipt_is_gone_once_there_was_another_change(them) -> None:
    client = signed_in(them.owner)
    client.post(RULE, hidden(reviewed(client)))
    client.post(RULE, hidden(reviewed(client, refill_amount="700", version="1")))
    assert "Saved by" not in text(client, f"{WALLET}?changed=1#refills")
    assert "Saved by" not in text(client, f"{WALLET}?changed=nonsense")


def test_undoing_the_first_rule_turns_it_off(them) -> None:
    client = signed_in(them.owner)
    done = client.post(RULE, hidden(reviewed(client)), follow=True).content.decode()
    receipt = done[done.index('class="receipt"') :]
    html = text(client, RULE, hidden(f"<main{receipt[: receipt.index('</form>')]}"))
    assert "Automatic refill On Off" in words(html)


@pytest.mark.parametrize("letters", ["", "r"])
def test_whoever_lacks_write_reads_contact_support_and_can_change_nothing(them, letters: str) -> None:
    grant(them.owner, them.admin, credits="r", payments=letters)
    client = signed_in(them.admin)
    said = words(text(client, WALLET))
    assert "contact Support" in said and "Change refill rule" not in said and "Refill now" not in said
    for path in (RULE, REFILL, RELEASE):
        text(client, path, status=403)
        text(client, path, TYPED | {"step": "confirm", "amount": "5"}, 403)
    assert the_rule(them) is None and not Refill.objects.exists()


def test_write_in_minutes_and_credits_is_not_enough(them) -> None:
    grant(them.owner, them.admin, credits="rw", payments="r")
    text(signed_in(them.admin), RULE, TYPED | {"step": "confirm"}, 403)


def test_the_refill_history_needs_its_own_right(them) -> None:
    run.ask(them.northwind, "outbound", Decimal(25), OWNER)
    grant(them.owner, them.admin, credits="r")
    assert "asked for it" not in text(signed_in(them.admin), WALLET)
    grant(them.owner, them.admin, payments="r")
    assert "asked for it" in text(signed_in(them.admin), WALLET)


def test_a_manual_refill_is_reviewed_asked_for_once_and_told(them) -> None:
    client = signed_in(them.owner)
    html = text(client, REFILL, {"amount": "25"})
    said = words(html)
    assert "$25.00 will be charged to Visa •• 4242" in said and "the balance goes from $80.00 to $105.00" in said
    assert not Refill.objects.exists(), "a review asks for nothing"
    posted = hidden(html)
    first, again = client.post(REFILL, posted), client.post(REFILL, posted)
    assert first["Location"] == again["Location"]
    refill = Refill.objects.get()
    assert (refill.amount, refill.automatic, refill.requested_by) == (25, False, "owner@northwind.example")
    assert "Asked for. The card is charged within a minute" in words(text(client, first["Location"]))
    run.step(them.northwind.id, refill.id)
    html = text(client, first["Location"])
    assert "The refill you asked for succeeded" in words(html)
    assert "owner@northwind.example asked for it." in words(html)
    assert re.search(r'href="/billing/invoices/[^"]+/"', html), "it leads to its invoice"
    assert wallet(them.northwind).paid == 105
    transfer = text(client, re.search(r'"(/billing/credits/outbound/transfers/[^"]+)">Refill<', html)[1])
    assert re.search(r'href="/billing/invoices/[^"]+/"', transfer), "and so does its ledger entry"
    assert "receivable $25.00" in words(transfer) and "wallet:outbound:paid $25.00" in words(transfer)


@pytest.mark.parametrize(
    ("typed", "expected"), [("lots", "is not an amount"), ("0", "Write an amount"), ("", "required")]
)
def test_an_amount_that_makes_no_sense_is_explained(them, typed: str, expected: str) -> None:
    for step in ("", "confirm"):
        assert expected in words(text(signed_in(them.owner), REFILL, {"amount": typed, "step": step}, 400))
    assert not Refill.objects.exists()


def test_what_stops_a_refill_is_said_before_it_is_asked_for(them) -> None:
    client = signed_in(them.owner)
    OperatorSwitch.objects.create(
        name="refills", is_on=False, reason="Gateway fails.", set_by="x", set_at=datetime.now(UTC)
    )
    html = text(client, REFILL, {"amount": "25"}, 400)
    assert "Refills are switched off for everybody" in words(html) and 'value="25"' in html


def test_a_second_refill_while_one_is_under_way_is_refused_at_the_review(them) -> None:
    client = signed_in(them.owner)
    client.post(REFILL, hidden(text(client, REFILL, {"amount": "25"})))
    assert "A refill of $25.00 is under way" in words(text(client, REFILL, {"amount": "30"}, 400))
    assert "refilling $25.00" in words(text(client, WALLET))


def test_without_a_card_the_page_says_so(them) -> None:
    method.remove(them.northwind.id, method.default_of(them.northwind.id).id, OWNER)
    client = signed_in(them.owner)
    assert "There is no card to charge yet" in words(text(client, REFILL))
    assert "There is no card to charge." in words(text(client, REFILL, {"amount": "25"}, 400))


def test_a_tripped_breaker_is_released_by_a_person_after_a_review(them) -> None:
    client = signed_in(them.owner)
    client.post(RULE, hidden(reviewed(client)))
    assert client.get(RELEASE)["Location"] == WALLET
    RefillRule.objects.update(tripped_at=datetime.now(UTC))
    assert "Let it refill again" in words(text(client, WALLET))
    assert "stolen credentials" in words(text(client, RELEASE))
    assert the_rule(them).tripped_at is not None
    client.post(RELEASE)
    assert the_rule(them).tripped_at is None
    assert AuditEntry.objects.filter(action="refills.release", actor_name="owner@northwind.example").exists()
    client.post(RELEASE)


def test_all_refills_are_listed_page_by_page(them, monkeypatch) -> None:
    monkeypatch.setattr("tollbook.web.portal.refills.SIZE", 2)
    for amount in (21, 22, 23):
        refill = run.ask(them.northwind, "outbound", Decimal(amount), OWNER)
        run.step(them.northwind.id, refill.id)
    client = signed_in(them.owner)
    html = text(client, f"{WALLET}refills/")
    assert re.findall(r'data-label="Amount">([^<]+)', html) == ["$23.00", "$22.00"]
    older = unescape(re.search(r'rel="next" href="([^"]+)"', html)[1])
    assert re.findall(r'data-label="Amount">([^<]+)', text(client, f"{WALLET}refills/{older}")) == ["$21.00"]
    text(client, f"{WALLET}refills/?before=nonsense")


@pytest.mark.parametrize("path", ["rule", "refill", "release", "refills"])
def test_an_unknown_type_is_not_found(them, path: str) -> None:
    text(signed_in(them.owner), f"/billing/credits/nothing/{path}/", status=404)


def test_another_account_changes_only_its_own(them) -> None:
    client = signed_in(them.stranger)
    client.post(RULE, hidden(reviewed(client)))
    assert the_rule(them) is None
    assert RefillRule.objects.get().account_id == them.contoso.id
