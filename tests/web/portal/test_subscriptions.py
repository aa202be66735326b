"""The Subscriptions tab: its tables, its totals, the next charge, and what was billed where."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from tests.databases import Database
from tests.people import People, grant, people
from tests.web.portal.reading import links, read, table
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.invoicing.run import bill, find
from tollbook.invoicing.tables import Invoice
from tollbook.money.period import Period, period_number, period_of
from tollbook.subscriptions.change import Wanted, change_quantity, make
from tollbook.subscriptions.component import Terms, offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, FeeKind, Subscription

pytestmark = pytest.mark.usefixtures("static_files")

A_DAY = timedelta(days=1)


@pytest.fixture
def them(db: Database) -> People:
    offer("seats", "Agent seats", FeeKind.RECURRING, Decimal("24.995"), SYSTEM)
    offer("support", "Priority support", FeeKind.RECURRING, Decimal("149"), SYSTEM)
    offer("onboarding", "Onboarding", FeeKind.SETUP, Decimal("300"), SYSTEM)
    offer("porting", "Number porting", FeeKind.SETUP, Decimal("12.50"), SYSTEM)
    return people()


@pytest.fixture
def owner(client: Client, them: People) -> Client:
    client.force_login(them.owner)
    return client


def period_now(account: Account) -> Period:
    return period_of(account.anchor_on, today_in(account))


def following(account: Account) -> Period:
    return period_number(account.anchor_on, period_now(account).index + 1)


def subscribed(account: Account, code: str, starts_on: date, quantity: str = "1", **more: object) -> Subscription:
    return start(account, NewSubscription(code, starts_on, Decimal(quantity), **more), SYSTEM)


def day(value: date) -> str:
    return f"{value:%b} {value.day}, {value.year}"


def days(period: Period) -> str:
    first, last = period.start_on, period.end_on
    if first.year != last.year:
        return f"{day(first)} - {day(last)}"
    return f"{first:%b} {first.day} - {last:%b} {last.day}"


def test_the_columns_and_words_are_those_of_the_contract(owner: Client, them: People) -> None:
    account = them.northwind
    began = period_now(account).start_on
    subscribed(account, "seats", began, "40")
    subscribed(account, "support", began)
    subscribed(account, "onboarding", began)
    page = read(owner.get("/billing/subscriptions/"))
    assert [heading.text for heading in page.all("h2")] == ["Recurring Fees", "Setup Fees", "Changes"]
    recurring, setup = table(page, "Recurring Fees"), table(page, "Setup Fees")
    assert recurring.header == ["Component Name", "Quantity", "Price", "Total"]
    assert recurring.rows == [
        ["Agent seats", "40", "$24.995", "$999.80"],
        ["Priority support", "1", "$149.00", "$149.00"],
    ]
    assert recurring.footer == ["Total per month $1,148.80"]
    assert setup.header == ["Component Name", "Price", "Total"]
    assert setup.rows[0][1:] == ["$300.00", "$300.00"] and setup.footer == ["Total $300.00"]
    assert f"Billing period {days(period_now(account))}, charged in advance" in page.text


def test_the_next_charge_is_one_sentence(owner: Client, them: People) -> None:
    account = them.northwind
    subscribed(account, "seats", period_now(account).start_on, "40")
    coming = following(account)
    page = read(owner.get("/billing/subscriptions/"))
    assert f"Next charge: $999.80 on {day(coming.start_on)}, for {days(coming)}." in page.text
    subscribed(account, "porting", coming.start_on, "2")
    page = read(owner.get("/billing/subscriptions/"))
    assert (
        f"Next charge: $1,024.80 on {day(coming.start_on)}, for {days(coming)}. It includes $25.00 of setup fees."
        in page.text
    )


def test_the_next_charge_is_what_the_invoice_comes_to(owner: Client, them: People) -> None:
    account = them.northwind
    subscribed(account, "seats", period_now(account).start_on, "37")
    subscribed(account, "onboarding", following(account).start_on)
    first_on = following(account).start_on
    [*_, paper] = find([account], {account.id: first_on}).papers
    total = sum(line.amount for line in paper.draft.lines)
    assert f"Next charge: ${total:,.2f} on" in read(owner.get("/billing/subscriptions/")).text


def test_a_setup_fee_tells_where_it_was_billed_or_when_it_will_be(owner: Client, client: Client, them: People) -> None:
    account = them.northwind
    now = period_now(account)
    subscribed(account, "onboarding", now.start_on)
    bill(now.start_on)
    number = Invoice.objects.get().number
    subscribed(account, "porting", following(account).start_on, "3")
    page = read(owner.get("/billing/subscriptions/"))
    assert table(page, "Setup Fees").rows == [
        [f"Number porting × 3 Will be billed {day(following(account).start_on)}", "$12.50", "$37.50"],
        [f"Onboarding Billed {day(now.start_on)} on {number}", "$300.00", "$300.00"],
    ]
    assert links(page)[number] == f"/billing/invoices/{number}/"
    grant(them.owner, them.admin, subscriptions="r")
    client.force_login(them.admin)
    page = read(client.get("/billing/subscriptions/"))
    assert number in page.text and number not in links(page)


def test_a_setup_fee_whose_day_has_come_without_an_invoice_is_not_given_a_day(owner: Client, them: People) -> None:
    subscribed(them.northwind, "onboarding", period_now(them.northwind).start_on - A_DAY)
    page = read(owner.get("/billing/subscriptions/"))
    assert table(page, "Setup Fees").rows[0][0] == "Onboarding Will be billed with the next invoice"


def test_what_starts_later_and_what_ended_count_in_no_total(owner: Client, them: People) -> None:
    account, today = them.northwind, today_in(them.northwind)
    subscribed(account, "support", today - 90 * A_DAY)
    subscribed(account, "seats", today - 90 * A_DAY, "10", ends_on=today - A_DAY)
    subscribed(account, "seats", today + A_DAY, "12")
    page = read(owner.get("/billing/subscriptions/"))
    assert table(page, "Recurring Fees").rows == [["Priority support", "1", "$149.00", "$149.00"]]
    assert table(page, "Recurring Fees").footer == ["Total per month $149.00"]
    [[later, *_]] = table(page, "Recurring Fees that start later").rows
    [[ended, *_]] = table(page, "Recurring Fees that ended").rows
    assert later == f"Agent seats Starts {day(today + A_DAY)}"
    assert ended == f"Agent seats {day(today - 90 * A_DAY)} - {day(today - A_DAY)}"
    assert [summary.text for summary in page.all("summary")] == ["The next invoice, line by line", "1 ended fee"]
    assert all("open" not in details.attributes for details in page.all("details"))


def test_a_fee_with_a_last_day_to_come_says_so(owner: Client, them: People) -> None:
    today = today_in(them.northwind)
    subscribed(them.northwind, "support", today, ends_on=today + 40 * A_DAY)
    page = read(owner.get("/billing/subscriptions/"))
    assert table(page, "Recurring Fees").rows[0][0] == f"Priority support Ends {day(today + 40 * A_DAY)}"


def test_without_subscriptions_the_page_says_what_will_be_there(owner: Client, them: People) -> None:
    page = read(owner.get("/billing/subscriptions/"))
    assert "No subscriptions yet." in page.text and not page.all("table")


def test_when_nothing_is_to_come_no_charge_is_promised(owner: Client, them: People) -> None:
    today = today_in(them.northwind)
    subscribed(them.northwind, "support", today - 90 * A_DAY, ends_on=today - A_DAY)
    page = read(owner.get("/billing/subscriptions/"))
    assert "No charge is planned." in page.text and "Nothing is charged every month." in page.text
    assert "No setup fees." in page.text


def test_what_components_are_called_is_text_not_markup(owner: Client, them: People) -> None:
    subscribed(them.northwind, "support", today_in(them.northwind), name="<script>alert(1)</script>")
    response = owner.get("/billing/subscriptions/")
    assert b"<script>alert" not in response.content and "<script>alert(1)</script>" in read(response).text


def test_another_accounts_fees_are_not_shown(owner: Client, them: People) -> None:
    subscribed(them.contoso, "support", today_in(them.contoso))
    assert "No subscriptions yet." in read(owner.get("/billing/subscriptions/")).text


def test_only_those_who_may_read_subscriptions_see_them(client: Client, them: People) -> None:
    client.force_login(them.admin)
    grant(them.owner, them.admin, invoices="rw", credits="rw", payments="rw")
    assert client.get("/billing/subscriptions/").status_code == 403
    grant(them.owner, them.admin, subscriptions="r")
    assert client.get("/billing/subscriptions/").status_code == 200


def test_the_next_invoice_is_shown_line_by_line_with_its_arithmetic(owner: Client, them: People) -> None:
    account = them.northwind
    starts_on = period_now(account).start_on - A_DAY
    row = subscribed(account, "support", starts_on, prorated=True)
    make(account, row.id, Wanted(ChangeKind.DISCOUNT, today_in(account), percent=Decimal(10)), SYSTEM)
    page = read(owner.get("/billing/subscriptions/"))
    lines = table(page, "Lines of the next invoice").rows
    assert [line[2] for line in lines][-2:] == ["$149.00", "−$14.90"]
    assert lines[-1][0] == "Discount on Priority support 10 % of $149.00"
    assert "10 % off" in table(page, "Recurring Fees").rows[0][0]


def test_every_change_is_listed_and_what_lies_ahead_is_marked(owner: Client, them: People) -> None:
    account = them.northwind
    row = subscribed(account, "seats", period_now(account).start_on, "3")
    change_quantity(account, row.id, Decimal(5), following(account).start_on, SYSTEM)
    changes = table(read(owner.get("/billing/subscriptions/")), "Changes of subscriptions").rows
    assert [change[:2] for change in changes] == [
        ["Agent seats", "Quantity 5 Scheduled"],
        ["Agent seats", "Started with 3"],
    ]
    assert changes[0][2] == day(following(account).start_on)


def test_a_yearly_fee_has_a_total_of_its_own(owner: Client, them: People) -> None:
    offer("domain", "Domain", FeeKind.RECURRING, Decimal(120), SYSTEM, Terms(months=12))
    account = them.northwind
    subscribed(account, "domain", period_now(account).start_on)
    subscribed(account, "seats", period_now(account).start_on)
    text = read(owner.get("/billing/subscriptions/")).text
    assert "Total per month $25.00" in text and "Total per year $120.00" in text


def test_a_fee_says_what_credit_it_includes(owner: Client, them: People) -> None:
    offer("bundle", "Bundle", FeeKind.RECURRING, Decimal(20), SYSTEM, Terms(1, "", "sms", Decimal(5)))
    subscribed(them.northwind, "bundle", period_now(them.northwind).start_on, "2")
    [[name, *_]] = table(read(owner.get("/billing/subscriptions/")), "Recurring Fees").rows
    assert name == "Bundle Includes $10.00 of SMS Credit each month"
