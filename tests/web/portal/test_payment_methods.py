"""The page of cards: added on the gateway's page, chosen, removed; nothing is done without having been said."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import override_settings

from tests.gateway import running
from tests.payments.at_stripe import at_stripe
from tests.people import People, grant, people
from tests.refills.shop import OWNER, USUAL, gateway_is
from tests.web.portal.test_credits import signed_in, words
from tollbook.accounts.tables import Account, AuditEntry
from tollbook.errors import Conflict
from tollbook.payments import method
from tollbook.payments.method import NewMethod
from tollbook.payments.tables import PaymentMethod
from tollbook.refills import card as cards
from tollbook.refills import decide, rule, send
from tollbook.wallets.wallet import open_wallets
from tollbook.web.portal.payment_methods import DUE

PAGE = "/billing/payment-methods/"
VISA = NewMethod("simulated", "sim_4242", "Visa", "4242", 12, 2040)
MASTERCARD = NewMethod("simulated", "sim_4444", "Mastercard", "4444", 12, 2040)


@pytest.fixture(autouse=True)
def simulated() -> Iterator[None]:
    with gateway_is():
        yield


@pytest.fixture
def them(db, static_files) -> People:
    them = people()
    open_wallets(them.northwind)
    return them


def two_cards(account: Account) -> tuple[PaymentMethod, PaymentMethod]:
    return method.add(account.id, VISA, OWNER), method.add(account.id, MASTERCARD, OWNER)


def text(client: Client, address: str = PAGE) -> str:
    return words(client.get(address, follow=True).content.decode())


def test_a_card_is_added_on_the_gateways_page_and_named_by_its_last_digits(them: People) -> None:
    client = signed_in(them.owner)
    assert "No cards yet." in text(client)
    says = text(client, f"{PAGE}add/")
    assert "never reaches" in says and DUE in says and "Nothing is charged" not in says
    opened = client.post(f"{PAGE}add/").content.decode()
    leads_to = unescape(re.search(r'href="([^"]*simulated-gateway[^"]*)"', opened)[1])
    assert "Simulated gateway" in text(client, leads_to)
    back = client.post(leads_to, {"card": "sim_4444"})
    assert back.status_code == 302
    told = text(client, back.url)
    assert "Mastercard •• 4444 is added. It is charged from now on." in told and "12/2040" in told
    assert method.default_of(them.northwind.id).token == "sim_4444"
    [entry] = AuditEntry.objects.filter(action="payment_method.add")
    assert entry.actor_name == them.owner.email
    assert "added" not in text(client, back.url).partition("Cards")[0], "coming back twice does nothing more"
    assert len(method.of_account(them.northwind.id)) == 1


def test_who_comes_back_without_a_card_is_told_so(them: People) -> None:
    client = signed_in(them.owner)
    assert "No cards yet." in text(client, f"{PAGE}returned/")
    client.post(f"{PAGE}add/")
    assert "No card was added." in text(client, f"{PAGE}returned/?card=forged")
    assert method.of_account(them.northwind.id) == []


def test_at_stripe_the_number_is_typed_at_stripe(them: People, tmp_path) -> None:
    client = signed_in(them.owner)
    with running(tmp_path) as fake, at_stripe(fake):
        opened = client.post(f"{PAGE}add/").content.decode()
        leads_to = unescape(re.search(r'href="([^"]*/c/pay/[^"]*)"', opened)[1])
        assert leads_to.startswith(fake.url)
        fake.control(f"checkout/{leads_to.rpartition('/')[2]}", {"card": "pm_card_visa"})
        assert "Visa •• 4242 is added." in text(client, f"{PAGE}returned/")
        assert method.default_of(them.northwind.id).gateway == "stripe"
        fake.kill()
        answer = client.post(f"{PAGE}add/")
        assert answer.status_code == 503 and "reached at the moment" in answer.content.decode()
        fake.start()


def test_default_and_backup_are_reviewed_before_they_change(them: People) -> None:
    client = signed_in(them.owner)
    _, other = two_cards(them.northwind)
    review = text(client, f"{PAGE}{other.id}/default/")
    assert "charged to Mastercard •• 4444 from now on, no longer to Visa •• 4242." in review
    assert DUE in review, "a refill may wait for it"
    assert "Visa •• 4242 becomes the backup" in review
    assert method.default_of(them.northwind.id).last4 == "4242", "looking changes nothing"
    assert "Mastercard •• 4444 is charged from now on." in words(
        client.post(f"{PAGE}{other.id}/default/", follow=True).content.decode()
    )
    backup = method.backup_of(them.northwind.id)
    assert (method.default_of(them.northwind.id).last4, backup.last4) == ("4444", "4242")
    assert "No longer use Visa" in text(client, f"{PAGE}{backup.id}/backup/")
    client.post(f"{PAGE}{backup.id}/backup/", {"ends": "yes"})
    assert method.backup_of(them.northwind.id) is None
    assert "tried, once" in text(client, f"{PAGE}{backup.id}/backup/")
    client.post(f"{PAGE}{backup.id}/backup/")
    assert method.backup_of(them.northwind.id).last4 == "4242"


def test_a_card_that_refills_depend_on_is_removed_only_by_who_was_told(them: People) -> None:
    client = signed_in(them.owner)
    first, second = two_cards(them.northwind)
    rule.change(them.northwind, "outbound", USUAL, OWNER)
    with pytest.raises(cards.Needed):
        cards.remove(them.northwind.id, first.id, OWNER)
    told = words(client.post(f"{PAGE}{first.id}/remove/").content.decode())
    assert "from which Outbound Minutes refill automatically" in told and "Remove it all the same" in told
    assert method.default_of(them.northwind.id) == first
    removed = words(client.post(f"{PAGE}{first.id}/remove/", {"knowing": "yes"}, follow=True).content.decode())
    assert "Visa •• 4242 is removed." in removed
    assert "No card is the default" in removed
    client.post(f"{PAGE}{second.id}/remove/")
    assert method.of_account(them.northwind.id) == []


def test_a_card_is_not_removed_while_it_is_charged(them: People) -> None:
    client = signed_in(them.owner)
    card, _ = two_cards(them.northwind)
    refill = decide.ask(them.northwind, "outbound", USUAL.refill_amount, OWNER, "k")
    assert not cards.is_under_way(card), "decided, and not sent yet: it is withdrawn when the card is gone"
    assert send.begin(them.northwind.id, refill.id) is not None
    answer = client.post(f"{PAGE}{card.id}/remove/", {"knowing": "yes"}, follow=True)
    assert "is being charged. Remove it when that has come to an end." in words(answer.content.decode())
    assert method.default_of(them.northwind.id) == card


def test_a_refill_that_begins_while_its_card_is_removed_does_not_charge_it(them: People) -> None:
    """Whichever comes first holds the wallet."""
    card, _ = two_cards(them.northwind)
    refill = decide.ask(them.northwind, "outbound", USUAL.refill_amount, OWNER, "k")
    cards.remove(them.northwind.id, card.id, OWNER, knowing=True)
    assert send.begin(them.northwind.id, refill.id) is None


def test_expired_cards_and_those_that_soon_will_be_are_shown(them: People) -> None:
    client = signed_in(them.owner)
    first, second = two_cards(them.northwind)
    today = datetime.now(UTC).date()
    PaymentMethod.objects.filter(id=first.id).update(expires_year=today.year - 1)
    PaymentMethod.objects.filter(id=second.id).update(expires_year=today.year, expires_month=today.month)
    told = text(client)
    assert "Visa •• 4242, the default, has expired" in told and "Expired" in told
    assert ("Mastercard •• 4444, the backup, is good until" in told) == (method.expiry(second, today) != "expired")


def test_who_may_read_payments_sees_cards_and_changes_nothing(them: People) -> None:
    card, _ = two_cards(them.northwind)
    grant(them.owner, them.agent, payments="r")
    client = signed_in(them.agent)
    shown = client.get(PAGE).content.decode()
    assert "4242" in shown and "Make default" not in shown and "Add a card" not in shown
    for page in ("add/", f"{card.id}/default/", f"{card.id}/backup/", f"{card.id}/remove/", "returned/"):
        assert client.get(f"{PAGE}{page}").status_code == 403
        assert client.post(f"{PAGE}{page}").status_code in (403, 405)


def test_another_accounts_card_is_not_there(them: People) -> None:
    card = method.add(them.contoso.id, VISA, OWNER)
    client = signed_in(them.owner)
    for page in ("default", "backup", "remove"):
        assert client.get(f"{PAGE}{card.id}/{page}/").status_code == 404
        assert client.post(f"{PAGE}{card.id}/{page}/", {"knowing": "yes"}).status_code == 404
    assert "4242" not in text(client)


def test_where_no_cards_are_taken_nothing_promises_any(them: People) -> None:
    client = signed_in(them.owner)
    with override_settings(GATEWAYS={"manual": "tollbook.payments.manual.Manual"}):
        assert "Cards are not taken here." in text(client)
        assert client.get(f"{PAGE}add/").status_code == 404
        assert client.get("/billing/simulated-gateway/?return=/").status_code == 404


def test_the_simulated_page_leads_nowhere_else(them: People) -> None:
    client = signed_in(them.owner)
    for address in ("https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", ""):
        assert client.get("/billing/simulated-gateway/", {"return": address}).status_code == 404


def test_the_gateway_forgets_a_removed_card_though_it_was_away(them: People, tmp_path) -> None:
    first, _ = two_cards(them.northwind)
    cards.remove(them.northwind.id, first.id, OWNER)
    with override_settings(GATEWAYS={}):
        assert method.forget_removed() == 0
    assert method.forget_removed() == 1
    assert method.forget_removed() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT forgotten_at IS NOT NULL FROM payment_method WHERE id = %s", [first.id])
        assert cursor.fetchone() == (True,)


def test_the_backup_can_not_be_the_default_too(them: People) -> None:
    first, _ = two_cards(them.northwind)
    with pytest.raises(Conflict):
        method.make_backup(them.northwind.id, first.id, OWNER)
