"""What happens is told once: one notice per crossing, one delivery for each who gets it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.alerts.conftest import Told
from tests.databases import Database
from tests.payments.test_transfer import an_invoice
from tests.payments.till import Till
from tests.people import grant, person
from tests.refills.shop import OWNER, SUPPORT, Shop, gateway_is, other
from tests.together import together
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account, Level, User
from tollbook.accounts.user import add as add_user
from tollbook.alerts import levels, notify, people
from tollbook.alerts.tables import AlertCursor, Delivery, Notice
from tollbook.errors import Conflict, Invalid
from tollbook.payments import captured, collect, dispute
from tollbook.payments.gateway import Dispute, Succeeded
from tollbook.refills import health, stops, switch
from tollbook.refills.brakes import Stop
from tollbook.refills.settle import settle
from tollbook.wallets.credit import adjust


def low(told: Told) -> list[str]:
    """The levels that were told, in order."""
    return [notice.data["level"] for notice in told.notices("wallet.low")]


def test_a_wallet_that_falls_to_its_levels_is_told_once_for_each(told: Told) -> None:
    told.shop.credit("100.00")
    for amount in ("79.99", "0.01", "5.00", "4.99", "0.01", "9.00", "1.00", "1.00"):
        told.shop.use(amount)
        told.look()
        told.look()
    assert low(told) == ["20%", "10%", "0.00"]
    first = told.notices("wallet.low")[0]
    assert first.data == {
        "wallet": {"type": "outbound", "name": "Outbound Minutes"}, "currency": "USD", "balance": "20.00", "level": "20%",
        "threshold": "20.00",
    }  # fmt: skip


def test_several_levels_at_once_are_one_notice_about_the_deepest(told: Told) -> None:
    told.shop.credit("100.00")
    told.shop.use("95.00")
    told.look()
    assert low(told) == ["10%"]


def test_a_wallet_is_told_again_after_it_was_funded_above_the_level(told: Told) -> None:
    for _ in range(3):
        told.shop.credit("100.00")
        told.look()
        told.shop.use(told.shop.balance() - Decimal("15.00"))
        told.look()
    assert low(told) == ["20%"] * 3
    assert len({notice.crossing for notice in told.notices("wallet.low")}) == 3


def test_a_top_up_that_stays_below_an_amount_is_not_told_again(told: Told) -> None:
    levels.choose(told.shop.account, "outbound", levels.parse("$50", "USD"), OWNER)
    told.shop.credit("60.00")
    told.shop.use("30.00")
    told.look()
    told.shop.credit("5.00")
    told.look()
    told.shop.use("1.00")
    told.look()
    assert low(told) == ["50.00"]


def test_money_given_back_does_not_let_a_trembling_balance_be_told_again(told: Told) -> None:
    told.shop.credit("100.00")
    told.shop.use("80.00")
    told.look()
    with told.shop.db.connect("owner") as owner:
        for paid in ("20.01", "19.99", "20.50", "20.00"):
            owner.execute("UPDATE wallet SET paid = %s WHERE account_id = %s AND type_code = 'outbound'", [paid, told.id])
            told.look()
    assert low(told) == ["20%"]


def test_a_wallet_that_refills_itself_is_low_only_when_empty_or_stopped(told: Told) -> None:
    told.shop.card()
    told.shop.credit("100.00")
    told.shop.rule(other(minimum_before_refill="5.00"))
    told.shop.use("92.00")
    told.look()
    assert low(told) == []
    stops.show(told.id, told.shop.wallet().id, Stop("daily_count", "3 charges a day are allowed, and made today."))
    told.look()
    assert low(told) == ["10%"]
    assert [notice.data["code"] for notice in told.notices("refill.stopped")] == ["daily_count"]


def test_chosen_levels_count_whatever_refills_do(told: Told) -> None:
    told.shop.card()
    told.shop.credit("100.00")
    told.shop.rule(other(minimum_before_refill="5.00"))
    levels.choose(told.shop.account, "outbound", ("50%", "25.00"), OWNER)
    told.shop.use("60.00")
    told.look()
    levels.choose(told.shop.account, "outbound", (), OWNER)
    told.shop.use("40.00")
    told.look()
    assert low(told) == ["50%"]


def test_a_wallet_never_funded_is_not_called_low(told: Told) -> None:
    told.look()
    assert told.notices() == []


def test_what_was_so_before_the_first_look_is_not_told(shop: Shop) -> None:
    shop.credit("100.00")
    shop.use("99.00")
    an_invoice(shop.account)
    shop.ready("10.00").run()
    notify.look()
    notify.look()
    assert Notice.objects.count() == 0 and AlertCursor.objects.count() == 1
    shop.use(shop.balance())
    notify.look()
    assert Notice.objects.filter(kind="wallet.low").count() == 1


def test_a_refill_that_succeeded_is_told_with_its_invoice(told: Told) -> None:
    told.shop.ready("50.00").run()
    told.look()
    [notice] = told.notices("refill.succeeded")
    refill = told.shop.refill()
    assert notice.subject == f"refill/{refill.id}" and notice.occurred_at == refill.finished_at
    assert notice.data["amount"] == "500.00" and notice.data["balance"] == "550.00"
    assert notice.data["invoice"] == "INV-000001" and notice.data["automatic"] is True
    [invoice] = told.notices("invoice.issued")
    assert invoice.data["invoice"] == "INV-000001" and invoice.data["open"] == "0.00"
    assert len(told.deliveries(notice_id=notice.id)) == 1
    assert told.deliveries(notice_id=invoice.id) == [], "the mail about the refill names it"


def test_a_declined_refill_is_told_with_the_reason(told: Told) -> None:
    told.shop.ready("50.00", token="sim_0002").run()
    told.look()
    [notice] = told.notices("refill.declined")
    assert notice.data["reason"] == told.shop.refill().outcome != ""
    assert told.notices("refill.stopped") == [], "that it rests after a decline is no news"


def test_a_refill_that_waits_for_the_holder_is_told_once(told: Told) -> None:
    told.shop.ready("50.00", token="sim_3184").run()
    for _ in range(3):
        told.look()
    assert [notice.data["amount"] for notice in told.notices("refill.action_required")] == ["500.00"]


def test_every_beginning_of_a_stop_is_told_once(told: Told) -> None:
    told.shop.ready("50.00")
    for reason in ("Maintenance", "Fraud"):
        switch.turn(False, reason, SUPPORT)
        for _ in range(2):
            told.shop.run()
            told.look()
        switch.turn(True, reason, SUPPORT)
        told.shop.run()
        told.shop.use(told.shop.balance() - Decimal("50.00"))
        told.shop.later(minutes=20)
    assert [notice.data["code"] for notice in told.notices("refill.stopped")] == ["switched_off", "switched_off"]


def test_the_velocity_breaker_is_told_to_the_operator_too(told: Told) -> None:
    told.shop.ready("50.00")
    stops.show(told.id, told.shop.wallet().id, Stop("velocity", "Unusually many."))
    told.look()
    told.look()
    assert len(told.notices("refill.stopped")) == 1
    [notice] = Notice.objects.filter(account_id=OPERATOR_ID)
    assert notice.data["account"] == "northwind" and notice.kind == "refill.stopped"


def test_an_invoice_is_told_to_readers_and_to_the_billing_address(told: Told) -> None:
    Account.objects.filter(id=told.id).update(billing_email="ap@northwind.example")
    an_invoice(told.shop.account)
    told.look()
    [notice] = told.notices("invoice.issued")
    to = {delivery.recipient for delivery in told.deliveries(notice_id=notice.id)}
    assert to == {"ap@northwind.example", "owner@northwind.example"}


def test_an_invoice_is_mailed_to_the_further_addresses_of_the_billing_details(told: Told) -> None:
    """Only invoices; once where an address is named twice; and not to who was removed, or chose otherwise."""
    further = ["Books@books.example", "AP@northwind.example", "admin@northwind.example", "none@books.example"]
    Account.objects.filter(id=told.id).update(billing_email="ap@northwind.example", recipients=further)
    admin = add_user(told.shop.account, "admin@northwind.example", "Admin", Level.ADMIN, None, OWNER)
    User.objects.filter(id=admin.id).update(is_active=False)
    people.choose_address(told.id, "none@books.example", [], OWNER)
    account = Account.objects.get(id=told.id)
    assert an_invoice(account).recipients == further
    told.look()
    [notice] = told.notices("invoice.issued")
    to = sorted(delivery.recipient for delivery in told.deliveries(notice_id=notice.id))
    assert to == ["Books@books.example", "ap@northwind.example", "owner@northwind.example"]
    assert "Books@books.example" not in people.addresses(account, "invoice.reminder")
    people.choose_address(told.id, "books@books.example", ["invoice.issued", "invoice.reminder"], OWNER)
    assert people.addresses(account, "invoice.reminder").count("books@books.example") == 1


def test_a_payment_that_failed_by_itself_is_told_with_the_day_of_the_next_try(db: Database) -> None:
    till = Till(db)
    notify.look()
    till.card("sim_9995")
    till.collects(0, 3)
    invoice = till.invoice()
    for _ in range(2):
        collect.run_due()
        notify.look()
        till.later(days=3)
    first, second = Notice.objects.filter(account_id=till.id, kind="payment.failed").order_by("id")
    assert first.data["invoice"] == invoice.number and first.data["amount"] == "100.00" and first.data["reason"]
    assert first.data["next_on"] == (today_in(till.account) + timedelta(days=3)).isoformat()
    assert second.data["next_on"] == ""


def test_a_payment_that_waits_for_the_holder_is_told_once(db: Database) -> None:
    till = Till(db)
    notify.look()
    till.card("sim_3184")
    till.collects(0)
    till.invoice()
    collect.run_due()
    for _ in range(2):
        notify.look()
    assert Notice.objects.filter(kind="payment.action_required").count() == 1


def test_what_nobody_put_before_a_person_in_two_hours_is_told_to_the_operator_once(db: Database) -> None:
    till, shop = Till(db), Shop(db, "contoso")
    notify.look()
    till.ask(till.invoice(), till.card())
    shop.ready("50.00", token="sim_3184").run()
    sent = {"payment_intent": till.id, "refill": shop.id}
    for minutes, told_of in ((110, []), (130, ["payment.unresolved", "refill.unresolved"])):
        with db.connect("owner") as owner:
            for table, account_id in sent.items():
                owner.execute(
                    f"UPDATE {table} SET state = 'unknown', charging_at = now() - %s WHERE account_id = %s",
                    [timedelta(minutes=minutes), account_id],
                )
        for _ in range(2):
            notify.look()
        rows = Notice.objects.filter(account_id=OPERATOR_ID)
        assert sorted(row.kind for row in rows) == told_of
    assert {row.data["account"] for row in rows} == {"northwind", "contoso"}
    assert not Notice.objects.filter(kind__endswith="unresolved").exclude(account_id=OPERATOR_ID).exists()


def test_a_payment_that_waits_for_a_person_is_told_to_the_operator_at_once(db: Database) -> None:
    till = Till(db)
    notify.look()
    paid = till.pay(till.invoice(), till.card())
    captured.settle(till.id, paid.id, 1, Succeeded("ch_second", Decimal(100), "USD"))
    for _ in range(2):
        notify.look()
    [told] = Notice.objects.filter(account_id=OPERATOR_ID, kind="payment.unresolved")
    assert "charged twice" in told.data["reason"]
    captured.settle(till.id, paid.id, 1, Succeeded("ch_third", Decimal(100), "USD"))
    for _ in range(2):
        notify.look()
    _, told = Notice.objects.filter(account_id=OPERATOR_ID, kind="payment.unresolved").order_by("id")
    assert "ch_third: charged twice" in told.data["reason"]


def test_each_question_about_a_refill_is_told_to_the_operator_once(told: Told) -> None:
    told.shop.ready("50.00").run()
    for count, reference in enumerate(("ch_second", "ch_second", "ch_third", "ch_third")):
        settle(told.id, told.shop.refill().id, Succeeded(reference, Decimal(500), "USD"))
        told.look()
        told.look()
        notices = list(Notice.objects.filter(account_id=OPERATOR_ID, kind="refill.unresolved").order_by("id"))
        assert len(notices) == count // 2 + 1
        assert f"{reference} was not" in notices[-1].data["reason"]
    assert told.notices("refill.unresolved") == []


@gateway_is("Silent")
def test_a_refill_of_which_the_gateway_says_nothing_is_told_once_and_not_again_when_it_was_told_before(told: Told) -> None:
    told.shop.ready("50.00").run()
    told.shop.later(minutes=61)
    health.forget()
    told.shop.run()
    for _ in range(2):
        told.look()
    [notice] = Notice.objects.filter(account_id=OPERATOR_ID, kind="refill.unresolved")
    assert "does not say whether" in notice.data["reason"]
    with told.shop.db.connect("owner") as owner:
        owner.execute("UPDATE alert_notice SET crossing = '' WHERE kind = 'refill.unresolved'")
    told.look()
    assert Notice.objects.filter(kind="refill.unresolved").count() == 1, "as releases before this one told it"


def test_a_dispute_is_told_when_it_opens_and_at_each_end(db: Database) -> None:
    till = Till(db)
    notify.look()
    payment = till.payment(till.invoice(), till.card())
    for state in ("open", "lost", "won"):
        told_of = Dispute(
            "dp_1", payment.charge_reference, payment.amount, "USD", Decimal("15.00"), state, datetime.now(UTC)
        )
        dispute.take("simulated", told_of)
        for _ in range(2):
            notify.look()
    for account_id in (till.id, OPERATOR_ID):
        rows = Notice.objects.filter(account_id=account_id, kind__startswith="dispute").order_by("id")
        assert [(one.kind, one.data.get("result")) for one in rows] == [
            ("dispute.opened", None), ("dispute.closed", "lost"), ("dispute.closed", "won"),
        ]  # fmt: skip


def test_a_card_that_expires_is_told_within_its_last_month_and_again_in_its_last_week(told: Told) -> None:
    told.shop.card()
    told.look()
    assert told.notices("card.expiring") == []
    today = datetime.now(UTC).date()
    last = (today.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    with told.shop.db.connect("owner") as owner:
        owner.execute("UPDATE payment_method SET expires_month = %s, expires_year = %s", [today.month, today.year])
    told.look()
    told.look()
    [notice] = told.notices("card.expiring")
    step = "7" if (last - today).days <= 7 else "30"
    assert notice.crossing == f"{last}/{step}"
    assert notice.data == {"card": "Visa •• 4242", "default": True, "last_day": last.isoformat()}
    with told.shop.db.connect("owner") as owner:  # as if it had been told a month ago
        owner.execute("UPDATE alert_notice SET crossing = replace(crossing, '/7', '/30') WHERE kind = 'card.expiring'")
    told.look()
    assert len(told.notices("card.expiring")) == (2 if step == "7" else 1)


def test_who_gets_what_follows_rights_and_choices(told: Told) -> None:
    account = told.shop.account
    agent = person(account, "agent", Level.AGENT)
    admin = person(account, "admin", Level.ADMIN)
    grant(told.owner, agent, credits="r")
    grant(told.owner, admin, credits="rw", invoices="r")

    def gets(kind: str) -> set[str]:
        return {address.split("@")[0] for address in people.addresses(account, kind)}

    assert gets("wallet.low") == {"owner", "admin"} and gets("invoice.issued") == {"owner"}
    people.choose(account, agent.id, ["wallet.low", "invoice.issued"], OWNER)
    people.choose(account, told.owner.id, [], OWNER)
    people.choose_address(account.id, "Bookkeeper@Books.example", ["invoice.issued"], OWNER)
    assert gets("wallet.low") == {"agent", "admin"}, "an agent who chose, an owner who chose nothing"
    assert gets("invoice.issued") == {"bookkeeper"}, "the agent may not read invoices"
    grant(told.owner, admin, credits="")
    assert gets("wallet.low") == {"agent"}, "who lost the right gets nothing more"
    with pytest.raises(Conflict):
        people.choose_address(account.id, "ADMIN@northwind.example", ["wallet.low"], OWNER)
    with pytest.raises(Invalid):
        people.choose_address(account.id, "x@y@z", ["wallet.low"], OWNER)


def test_a_choice_for_an_address_and_one_for_its_user_do_not_clash(told: Told) -> None:
    account = told.shop.account
    people.choose_address(account.id, "Admin@northwind.example", ["invoice.issued"], OWNER)
    admin = person(account, "admin", Level.ADMIN)
    grant(told.owner, admin, credits="rw", invoices="rw")
    assert "admin@northwind.example" in people.addresses(account, "wallet.low"), "the user's own counts from now on"
    people.choose(account, admin.id, ["wallet.low"], OWNER)
    assert "admin@northwind.example" not in people.addresses(account, "invoice.issued")
    User.objects.filter(id=admin.id).update(is_active=False)
    for kind in ("wallet.low", "invoice.issued"):
        assert people.addresses(account, kind) == ["owner@northwind.example"], "who was removed reads no more by mail"
    with pytest.raises(Conflict, match="removed"):
        people.choose_address(account.id, "ADMIN@northwind.example", ["invoice.issued"], OWNER)
    Account.objects.filter(id=account.id).update(billing_email="admin@northwind.example")
    account.refresh_from_db()
    people.choose_address(account.id, "admin@northwind.example", ["dispute.opened"], OWNER)
    assert "admin@northwind.example" in people.addresses(account, "dispute.opened"), "the billing address is what it is"
    with told.shop.db.connect("owner") as owner:
        owner.execute("UPDATE \"user\" SET email = 'old@northwind.example' WHERE id = %s", [told.owner.id])
    people.choose(account, told.owner.id, ["wallet.low"], OWNER)
    with told.shop.db.connect("owner") as owner:
        owner.execute("UPDATE \"user\" SET email = 'new@northwind.example' WHERE id = %s", [told.owner.id])
    people.choose_address(account.id, "old@northwind.example", ["wallet.low"], OWNER)
    assert set(people.addresses(account, "wallet.low")) == {"new@northwind.example", "old@northwind.example"}


def test_removed_staff_read_nothing_more_about_the_operators_matters(told: Told) -> None:
    staff = add_user(None, "desk@operator.example", "Desk", Level.STAFF, None, OWNER)
    people.choose_address(OPERATOR_ID, "desk@operator.example", ["dispute.opened"], OWNER)
    assert "desk@operator.example" in people.addresses(None, "dispute.opened")
    User.objects.filter(id=staff.id).update(is_active=False)
    assert "desk@operator.example" not in people.addresses(None, "dispute.opened")
    with pytest.raises(Conflict):
        people.choose_address(OPERATOR_ID, "desk@operator.example", ["dispute.opened"], OWNER)


def test_the_invoice_of_a_refill_is_mailed_to_who_gets_invoices_and_no_refills(told: Told) -> None:
    Account.objects.filter(id=told.id).update(billing_email="ap@northwind.example")
    people.choose_address(told.id, "books@books.example", ["invoice.issued"], OWNER)
    people.choose_address(told.id, "both@books.example", ["invoice.issued", "refill.succeeded"], OWNER)
    told.shop.ready("50.00").run()
    told.look()
    [refill], [invoice] = told.notices("refill.succeeded"), told.notices("invoice.issued")

    def to(notice: Notice) -> set[str]:
        return {one.recipient for one in told.deliveries(notice_id=notice.id)}

    assert to(refill) == {"owner@northwind.example", "both@books.example"}, "it names the invoice"
    assert to(invoice) == {"ap@northwind.example", "books@books.example"}


def test_workers_that_look_at_once_tell_everything_once(told: Told) -> None:
    told.hook("https://hooks.example/a")
    told.shop.ready("500.00")
    told.shop.credit("400.00", "inbound")
    for round_ in range(3):
        told.shop.use(told.shop.balance() - Decimal("49.00"))
        told.shop.use("399.00", "inbound")
        told.shop.run()
        an_invoice_number(told, round_)
        together(6, told.look)
        told.shop.credit("400.00", "inbound")
        told.shop.later(hours=25)
    assert len(told.notices("refill.succeeded")) == 3
    assert low(told).count("0.00") + low(told).count("10%") == 3
    keys = [(one.kind, one.subject, one.crossing) for one in told.notices()]
    assert len(keys) == len(set(keys))
    pairs = [(one.notice_id, one.channel, one.recipient) for one in told.deliveries()]
    assert len(pairs) == len(set(pairs))
    for notice in told.notices("refill.succeeded"):
        assert {one.channel for one in told.deliveries(notice_id=notice.id)} == {"mail", "webhook"}


def an_invoice_number(told: Told, number: int) -> None:
    an_invoice(told.shop.account, cause=f"cause-{number}")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moves=st.lists(
        st.one_of(
            st.tuples(st.just("use"), st.integers(1, 60)),
            st.tuples(st.just("fund"), st.integers(1, 120)),
            st.tuples(st.just("look"), st.just(0)),
        ),
        max_size=25,
    )
)
def test_one_notice_per_crossing_whatever_happens_in_between(told: Told, moves: list[tuple[str, int]]) -> None:
    """Against a plain model: a level is told when it is met from above after a funding above it, as seen by looks."""
    shop = told.shop
    with shop.db.connect("owner") as owner:
        owner.execute("DELETE FROM alert_delivery; DELETE FROM alert_notice; DELETE FROM alert_standing")
    levels.choose(shop.account, "outbound", ("50.00", "20.00"), OWNER)
    if shop.balance():
        adjust(shop.id, "outbound", -shop.balance(), "paid", "again", SUPPORT)
    shop.credit("100.00")
    notify.look()
    balance, below, funded, expected = Decimal(100), set[Decimal](), False, 0
    after_funding = balance
    for move, amount in [*moves, ("look", 0)]:
        if move == "use":
            shop.use(Decimal(amount))
            balance -= amount
        elif move == "fund":
            shop.credit(f"{amount}.00")
            balance, funded = balance + amount, True
            after_funding = balance
        else:
            together(2, notify.look)
            now = {level for level in (Decimal(50), Decimal(20)) if balance <= level}
            if funded:
                below = {level for level in below if after_funding <= level}
            expected += bool(now - below)
            below, funded = now | below, False
    assert len(told.notices("wallet.low")) == expected
    assert len(Delivery.objects.filter(account_id=shop.id)) == expected
