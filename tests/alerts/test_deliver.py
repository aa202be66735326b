"""What is due arrives at least once under the same id, by the schedule, and everything is in the log."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test.utils import override_settings
from standardwebhooks import Webhook, WebhookVerificationError

from tests.alerts.conftest import Told
from tests.alerts.receivers import MailServer, Receiver, receiving
from tests.people import grant, person
from tests.refills.shop import OWNER
from tests.together import together
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account, AuditEntry, Level, User
from tollbook.alerts import deliver, endpoint, log, mail, people, post
from tollbook.alerts.tables import Delivery, DeliveryAttempt, Recipient
from tollbook.errors import Conflict, Invalid

HERE = {
    "TOLLBOOK_WEBHOOK_NETWORKS": "127.0.0.0/8", "TOLLBOOK_WEBHOOK_PORTS": "*", "TOLLBOOK_WEBHOOK_HTTP": "on",
}  # fmt: skip


def fall(told: Told) -> None:
    """Something to tell: a wallet that is down to 15 %."""
    told.shop.credit("100.00")
    told.look()
    told.shop.use(told.shop.balance() - 15)
    told.look()


def verified(secret: str, receiver: Receiver, number: int = -1) -> Any:
    """The message, checked by the public package."""
    received = receiver.received[number]
    return Webhook(secret).verify(received.body, received.headers)


def test_a_webhook_is_signed_as_the_standard_says(told: Told, receiver: Receiver) -> None:
    _, secret = told.hook(receiver.address)
    fall(told)
    assert told.send() == 2  # one of them is mail, which nobody takes
    message = verified(secret, receiver)
    assert message["type"] == "wallet.low" and message["data"]["level"] == "20%"
    [notice] = told.notices()
    assert receiver.ids == [f"msg_{notice.id.hex}"]
    [delivery] = told.deliveries(channel="webhook")
    assert (delivery.state, delivery.outcome, delivery.attempts) == ("delivered", "Answered 200.", 1)
    [attempt] = DeliveryAttempt.objects.filter(delivery_id=delivery.id)
    assert (attempt.status, attempt.answer) == (200, "thanks")
    for forged in (receiver.received[0].body + b" ", receiver.received[0].body.replace(b"20", b"21")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(forged, receiver.received[0].headers)


def test_after_a_rotation_both_secrets_are_valid_for_a_day(told: Told, receiver: Receiver) -> None:
    made, first = told.hook(receiver.address)
    _, second = endpoint.rotate(told.id, made.id, 1, OWNER)
    assert first != second and first.startswith("whsec_") and second.startswith("whsec_")
    fall(told)
    told.send()
    assert verified(first, receiver) == verified(second, receiver)
    with told.shop.db.connect("owner") as owner:
        owner.execute("UPDATE alert_endpoint SET previous_until_at = now() - interval '1 second'")
    fall(told)
    told.send()
    assert verified(second, receiver)
    with pytest.raises(WebhookVerificationError):
        verified(first, receiver)
    with pytest.raises(Conflict):
        endpoint.rotate(told.id, made.id, 1, OWNER)


def test_each_secret_stays_valid_for_a_day_however_often_it_is_rotated(told: Told, receiver: Receiver) -> None:
    made, first = told.hook(receiver.address)
    _, second = endpoint.rotate(told.id, made.id, 1, OWNER)
    _, third = endpoint.rotate(told.id, made.id, 2, OWNER)
    fall(told)
    told.send()
    assert verified(first, receiver) == verified(second, receiver) == verified(third, receiver)
    now, rotated = datetime.now(UTC), endpoint.find(told.id, made.id)
    for hours, valid in ((23, 3), (25, 1)):
        assert len(endpoint.secrets_of(rotated, now + timedelta(hours=hours))) == valid
    for number in range(3, endpoint.MOST_SECRETS):
        endpoint.rotate(told.id, made.id, number, OWNER)
    with pytest.raises(Conflict):
        endpoint.rotate(told.id, made.id, endpoint.MOST_SECRETS, OWNER)


def test_a_secret_stands_nowhere_in_the_database_nor_in_the_trail(told: Told, receiver: Receiver) -> None:
    made, secret = told.hook(receiver.address)
    _, second = endpoint.rotate(told.id, made.id, 1, OWNER)
    fall(told)
    told.send()
    with told.shop.db.connect("owner") as owner:
        tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            found = owner.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()
            text = " ".join(row[0] for row in found)
            for shown in (secret, second):
                assert shown not in text and shown.removeprefix("whsec_") not in text
    assert AuditEntry.objects.filter(action="endpoint.rotate").exists()


def test_another_key_of_the_installation_signs_nothing(told: Told, receiver: Receiver) -> None:
    told.hook(receiver.address)
    fall(told)
    with override_settings(WEBHOOK_KEY="another"):
        told.send()
    assert receiver.received == []
    [delivery] = told.deliveries(channel="webhook")
    assert delivery.state == "failed" and "rotate" in delivery.outcome


def test_what_fails_is_repeated_by_the_schedule_under_the_same_id_and_then_given_up(
    told: Told, receiver: Receiver
) -> None:
    made, _ = told.hook(receiver.address)
    receiver.status = 500
    fall(told)
    for number, pause in enumerate(deliver.PAUSES, 1):
        told.send()
        assert len(receiver.received) == number
        [delivery] = told.deliveries(channel="webhook")
        left = delivery.due_at - datetime.now(UTC)
        assert pause * 0.75 < left < pause * 1.25 and delivery.state == "waiting"
        told.send()
        assert len(receiver.received) == number, "not before its time"
        told.later(seconds=left.total_seconds() + 1)
    told.send()
    assert len(receiver.received) == 10 and len(set(receiver.ids)) == 1
    assert len({one.body for one in receiver.received}) == 1
    [delivery] = told.deliveries(channel="webhook")
    assert delivery.state == "failed" and delivery.attempts == 10
    assert endpoint.find(told.id, made.id).is_on is False
    [notice] = told.notices("endpoint.disabled")
    assert notice.data["url"] == receiver.address and "500" in notice.data["reason"]
    assert {one.channel for one in told.deliveries(notice_id=notice.id)} == {"mail"}
    fall(told)
    told.send()
    assert len(receiver.received) == 10, "nothing more is sent there"


def test_an_endpoint_that_something_reaches_is_not_switched_off(told: Told, receiver: Receiver) -> None:
    made, _ = told.hook(receiver.address)
    receiver.status = 500
    fall(told)
    for _ in range(9):
        told.send()
        told.later(days=2)
    receiver.status = 200
    log.test(told.id, made.id, OWNER)
    with told.shop.db.connect("owner") as owner:
        owner.execute("UPDATE alert_delivery SET due_at = due_at + interval '5 days' WHERE tries > 0")
    told.send()
    receiver.status = 500
    told.later(days=7)
    told.send()
    assert sorted(one.state for one in told.deliveries(channel="webhook")) == ["delivered", "failed"]
    assert endpoint.find(told.id, made.id).is_on


def test_an_endpoint_that_is_gone_is_switched_off_at_once(told: Told, receiver: Receiver) -> None:
    made, _ = told.hook(receiver.address)
    receiver.status = 410
    fall(told)
    told.send()
    assert not endpoint.find(told.id, made.id).is_on and len(told.notices("endpoint.disabled")) == 1


def test_who_asks_for_more_time_gets_it(told: Told, receiver: Receiver) -> None:
    told.hook(receiver.address)
    receiver.status, receiver.extra = 429, {"retry-after": "1800"}
    fall(told)
    told.send()
    [delivery] = told.deliveries(channel="webhook")
    assert timedelta(minutes=29) < delivery.due_at - datetime.now(UTC) <= timedelta(minutes=30)


def test_a_delivery_is_sent_again_by_hand_under_the_same_id(told: Told, receiver: Receiver) -> None:
    made, secret = told.hook(receiver.address)
    fall(told)
    told.send()
    [delivery] = told.deliveries(channel="webhook")
    log.send_again(told.id, delivery.id, OWNER)
    with pytest.raises(Conflict):
        log.send_again(told.id, delivery.id, OWNER)
    told.send()
    assert len(receiver.received) == 2 and len(set(receiver.ids)) == 1
    assert verified(secret, receiver, 0) == verified(secret, receiver, 1)
    opened = log.find(told.id, delivery.id)
    assert opened.delivery.state == "delivered" and [one.attempt for one in opened.attempts] == [2, 1]
    endpoint.switch(told.id, made.id, False, OWNER)
    with pytest.raises(Conflict):
        log.send_again(told.id, delivery.id, OWNER)


def test_what_happens_while_an_endpoint_is_off_is_sent_from_the_log_when_somebody_asks(
    told: Told, receiver: Receiver
) -> None:
    made, secret = told.hook(receiver.address)
    endpoint.switch(told.id, made.id, False, OWNER)
    for _ in range(3):
        fall(told)
    told.send()
    assert receiver.received == [] and log.missed(told.id, made.id) == 3
    assert {(one.state, one.outcome) for one in told.deliveries(channel="webhook")} == {
        ("failed", "The endpoint was switched off."),
    }
    with pytest.raises(Conflict):
        log.send_missed(told.id, made.id, OWNER)
    endpoint.switch(told.id, made.id, True, OWNER)
    assert log.send_missed(told.id, made.id, OWNER, hidden=["wallet.low"]) == 0
    assert log.send_missed(told.id, made.id, OWNER) == 3 and log.send_missed(told.id, made.id, OWNER) == 0
    for _ in range(2):
        told.send()
    sent = [verified(secret, receiver, number)["timestamp"] for number in range(3)]
    assert max(sent[:2]) < sent[2], "the oldest first, two at a time"
    assert len(set(receiver.ids)) == 3 and log.missed(told.id, made.id) == 0


def test_mail_that_waits_is_not_sent_to_who_may_not_read_it_any_more(told: Told, mails: MailServer) -> None:
    admin = person(told.shop.account, "admin", Level.ADMIN)
    grant(told.owner, admin, credits="rw")
    leaver = person(told.shop.account, "leaver", Level.ADMIN)
    grant(told.owner, leaver, credits="rw")
    people.choose_address(told.id, "Books@books.example", ["wallet.low"], OWNER)
    people.choose_address(told.id, "stays@books.example", ["wallet.low"], OWNER)
    fall(told)
    grant(told.owner, admin, credits="")
    User.objects.filter(id=leaver.id).update(is_active=False)
    people.remove(told.id, Recipient.objects.get(address="books@books.example").id, OWNER)
    told.send()
    assert sorted(to for to, _ in mails.messages) == ["owner@northwind.example", "stays@books.example"]
    given_up = {one.recipient: one.outcome for one in told.deliveries(channel="mail", state="failed")}
    assert set(given_up) == {"admin@northwind.example", "leaver@northwind.example", "books@books.example"}
    assert set(given_up.values()) == {"This address gets no more mail about this."}


def test_a_webhook_that_waits_is_not_sent_once_its_kind_was_taken_from_the_endpoint(
    told: Told, receiver: Receiver
) -> None:
    made, _ = told.hook(receiver.address, "wallet.low", "card.expiring")
    fall(told)
    endpoint.change(told.id, made.id, receiver.address, ["card.expiring"], OWNER)
    told.send()
    [delivery] = told.deliveries(channel="webhook")
    assert receiver.received == [] and "does not get this" in delivery.outcome and endpoint.find(told.id, made.id).is_on


def test_a_turn_begins_when_it_is_sent_and_not_while_others_are(
    told: Told, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "AT_ONCE", 1)
    made, _ = told.hook(receiver.address)
    for _ in range(2):
        log.test(told.id, made.id, OWNER)
    taken: list[int] = []
    receiver.act = lambda handler: taken.append(
        Delivery.objects.filter(channel="webhook", claim__isnull=False).count()
    ) or handler.send_error(500)  # fmt: skip
    told.send()
    assert taken == [1, 1]
    assert timedelta(seconds=deliver.MOST_SECONDS + post.SECONDS) < deliver.LEASE


def test_a_mail_server_that_never_comes_to_its_end_holds_up_nothing(
    told: Told, mails: MailServer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(deliver, "AT_ONCE", 1)
    mails.seconds = 3
    told.hook(receiver.address)
    fall(told)
    told.send()
    [delivery] = told.deliveries(channel="mail")
    assert delivery.state == "waiting" and delivery.outcome.startswith("Nothing came of it within")
    assert len(receiver.received) == 1


def test_a_test_event_arrives_and_says_so(told: Told, receiver: Receiver) -> None:
    made, secret = told.hook(receiver.address, "invoice.issued")
    log.test(told.id, made.id, OWNER)
    told.send()
    assert verified(secret, receiver)["type"] == "webhook.test"


def test_a_dead_endpoint_holds_up_nobody_else(told: Told, receiver: Receiver) -> None:
    with receiving() as dead:
        dead.act = lambda handler: time.sleep(0.3)
        made, _ = told.hook(dead.address)
        for _ in range(30):
            log.test(told.id, made.id, OWNER)
        told.hook(receiver.address, "wallet.low")
        fall(told)
        told.send()
        assert len(receiver.received) == 1 and len(dead.received) <= 2


def test_workers_that_send_at_once_send_each_once(told: Told, receiver: Receiver) -> None:
    made, _ = told.hook(receiver.address)
    for _ in range(6):
        log.test(told.id, made.id, OWNER)
    for _ in range(4):
        together(4, told.send)
    assert len(receiver.received) == 6 and len(set(receiver.ids)) == 6


def test_who_dies_between_sending_and_writing_sends_the_same_id_again(told: Told, receiver: Receiver) -> None:
    _, secret = told.hook(receiver.address)
    fall(told)
    held: list[int] = []
    receiver.act = lambda handler: held.append(1) or time.sleep(3) or handler.send_error(500)
    child = subprocess.Popen(
        [sys.executable, "-c", "import django; django.setup()\nfrom tollbook.alerts import deliver\ndeliver.send_due()"],
        env=os.environ | told.shop.db.environment() | HERE,
    )
    for _ in range(1_000):
        if held:
            break
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    receiver.act = None
    [delivery] = told.deliveries(channel="webhook")
    assert delivery.state == "waiting" and delivery.attempts == 1
    assert told.send() == 0, "its turn is not over"
    told.later(minutes=2)
    told.send()
    [delivery] = told.deliveries(channel="webhook")
    assert delivery.state == "delivered" and delivery.attempts == 2
    assert len(receiver.received) == 2 and len(set(receiver.ids)) == 1
    assert receiver.received[0].body == receiver.received[1].body and verified(secret, receiver)


def test_mail_arrives_in_text_and_html_with_the_accounts_figures(told: Told, mails: MailServer) -> None:
    Account.objects.filter(id=told.id).update(locale="de-de", name="Nordwind & Söhne <GmbH>")
    people.choose_address(told.id, "books@books.example", ["refill.succeeded"], OWNER)
    told.shop.ready("50.00").run()
    told.look()
    told.send()
    for address in ("owner@northwind.example", "books@books.example"):
        [message] = mails.to(address)
        text = message.get_body(("plain",)).get_content()
        html = message.get_body(("html",)).get_content()
        assert message["subject"].strip() == "Outbound Minutes was refilled with 500,00 $ · Nordwind & Söhne <GmbH>"
        assert "Balance now: 550,00 $" in text and "https://bill.example/billing/invoices/INV-000001/" in text
        assert "Nordwind &amp; Söhne &lt;GmbH&gt;" in html and "550,00 $" in html and "<GmbH>" not in html
        assert message["auto-submitted"] == "auto-generated" and message["from"] == "billing@operator.example"
    ids = [message["message-id"] for _, message in mails.messages]
    assert sorted(ids) == sorted(f"<{one.id}@operator.example>" for one in told.deliveries(channel="mail"))


def test_mail_that_is_refused_for_good_is_given_up_and_what_is_busy_is_repeated(told: Told, mails: MailServer) -> None:
    people.choose_address(told.id, "busy@books.example", ["wallet.low"], OWNER)
    mails.refuses = {"owner@northwind.example": "550 5.1.1 Nobody here", "busy@books.example": "451 4.7.1 Later"}
    fall(told)
    told.send()
    states = {one.recipient: (one.state, one.outcome) for one in told.deliveries()}
    assert states == {
        "owner@northwind.example": ("failed", "The mail server refused this address."),
        "busy@books.example": ("waiting", "The mail server refused this address."),
    }
    mails.refuses = {}
    told.later(minutes=1)
    told.send()
    assert len(mails.to("busy@books.example")) == 1
    assert [one.status for one in DeliveryAttempt.objects.order_by("at")][-1] == 250


@pytest.mark.parametrize(
    ("refuses", "login", "state", "said"),
    [
        ({}, {"EMAIL_HOST_USER": "us", "EMAIL_HOST_PASSWORD": "expired"}, "waiting", "our user or password"),
        ({"MAIL": "550 5.7.1 Not you"}, {}, "waiting", "our sender's address"),
        ({"owner@northwind.example": "530 5.7.0 Log in first"}, {}, "waiting", "this address"),
        ({"DATA": "554 5.7.1 Spam"}, {}, "failed", "the message"),
        ({"DATA": "452 4.3.1 Full"}, {}, "waiting", "the message"),
    ],
)
def test_mail_waits_while_the_server_refuses_us_and_is_given_up_when_it_refuses_the_mail(
    told: Told, mails: MailServer, refuses: dict[str, str], login: dict[str, str], state: str, said: str
) -> None:
    fall(told)
    mails.refuses = refuses
    with override_settings(**login):
        told.send()
    [delivery] = told.deliveries()
    assert (delivery.state, delivery.outcome) == (state, f"The mail server refused {said}.")
    mails.refuses = {}
    told.later(minutes=1)
    told.send()
    assert len(mails.messages) == (1 if state == "waiting" else 0)


def test_without_a_mail_server_the_log_says_so(told: Told) -> None:
    fall(told)
    told.send()
    [delivery] = told.deliveries(channel="mail")
    assert delivery.state == "failed" and "No mail server" in delivery.outcome


def test_mail_is_not_sent_inside_a_transaction(told: Told, mails: MailServer) -> None:
    fall(told)
    [delivery] = told.deliveries(channel="mail")
    message = mail.compose(told.notices()[0], told.shop.account, "x@x.example", delivery.id)
    with pytest.raises(RuntimeError), transaction.atomic():
        mail.send(message)
    assert mails.messages == []


def test_the_operators_people_are_told_by_mail_in_their_own_space(told: Told, mails: MailServer) -> None:
    from_settings = {"OPERATOR": {"name": "Tollbook", "email": "ops@operator.example"}}
    with override_settings(**from_settings):
        told.shop.ready("50.00")
        with told.shop.db.connect("owner") as owner:
            owner.execute("UPDATE refill_rule SET tripped_at = now()")
        told.shop.run()
        told.look()
        told.send()
    [message] = mails.to("ops@operator.example")
    assert "of northwind are stopped" in message["subject"]
    assert {one.account_id for one in log.deliveries(OPERATOR_ID)} == {OPERATOR_ID}


def test_bodies_are_the_same_bytes_each_time_and_json(told: Told, receiver: Receiver) -> None:
    told.hook(receiver.address)
    fall(told)
    [notice] = told.notices()
    assert deliver.body_of(notice) == deliver.body_of(notice)
    message = json.loads(deliver.body_of(notice))
    assert set(message) == {"type", "timestamp", "account", "data"}
    assert message["account"] == "northwind" and message["timestamp"].endswith("Z")


def test_endpoints_are_checked_counted_and_named_once(told: Told) -> None:
    told.hook("https://hooks.example/0")
    for wrong in ("http://hooks.example/", "https://10.0.0.1/", "https://localhost.example:22/"):
        with pytest.raises(Invalid):
            told.hook(wrong)
    with pytest.raises(Invalid):
        told.hook("https://hooks.example/none", "nothing")
    with pytest.raises(Conflict):
        told.hook("https://hooks.example/0")
    for number in range(1, 10):
        told.hook(f"https://hooks.example/{number}")
    with pytest.raises(Conflict):
        told.hook("https://hooks.example/10")
    made = endpoint.present(told.id)[0]
    endpoint.remove(told.id, made.id, OWNER)
    told.hook("https://hooks.example/0")


def test_old_deliveries_are_let_go_and_what_was_told_stays_told(told: Told, receiver: Receiver) -> None:
    told.hook(receiver.address)
    fall(told)
    told.send()
    assert deliver.forget_old() == 0
    told.later(days=91)
    assert deliver.forget_old() == 2 and told.deliveries() == [] and len(told.notices()) == 1
    assert told.look() == 0
