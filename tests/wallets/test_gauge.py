"""What a bar shows: the numbers of this second, for every type, from the first day."""

from decimal import Decimal

from tests.cast import NOON, a_rate, an_account, funded
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, ZeroRule
from tollbook.postgres.scope import rows_of
from tollbook.rating.tables import CreditType
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reserve import Item, reserve
from tollbook.wallets.gauge import Gauge, gauges, prepaid_credit

TYPES = ["email", "ringless_voicemail", "speech_to_text", "conversational_ai", "sms", "inbound", "outbound"]


def gauge(account: Account, type_code: str = "outbound") -> Gauge:
    return next(one for one in gauges(account.id) if one.type_code == type_code)


def call(seconds: int = 600, id: str = "call") -> Event:
    return Event(id, "outbound", Decimal(seconds), NOON)


def test_all_types_are_shown_in_their_order_before_there_is_a_wallet(db) -> None:
    account = open_account(NewAccount("new", "New", NOON.date()), SYSTEM)
    shown = gauges(account.id)
    assert [one.type_code for one in shown] == TYPES
    assert all(one.wallet_id is None and one.since is None and one.available == 0 for one in shown)


def test_used_counts_from_the_last_funding(db) -> None:
    account = an_account()
    a_rate(cents="10", initial=60, step=60)
    funded(account, amount="5")
    record(account.id, [call()])
    now = gauge(account)
    assert (now.used, now.funded, now.balance) == (1, 5, 4)
    funded(account, amount="10")
    now = gauge(account)
    assert (now.used, now.funded, now.balance) == (0, 14, 14)


def test_what_is_held_is_not_available(db) -> None:
    account = an_account()
    a_rate(cents="10", initial=60, step=60)
    funded(account, amount="5")
    reserve(account, "call", [Item("outbound", Decimal(1200))])
    now = gauge(account)
    assert (now.balance, now.held, now.available, now.prepaid) == (5, 2, 3, 3)


def test_an_overdraft_is_available_but_not_prepaid_credit(db) -> None:
    account = an_account()
    Account.objects.filter(id=account.id).update(zero_rule=ZeroRule.OVERDRAFT, overdraft_limit=100)
    funded(account, amount="5")
    assert gauge(account).available == 105
    assert prepaid_credit(account.id) == 5


def test_a_limit_without_the_rule_is_no_overdraft(db) -> None:
    account = an_account()
    Account.objects.filter(id=account.id).update(overdraft_limit=100)
    assert gauge(account).available == 0


def test_a_retired_type_is_shown_as_long_as_it_holds_money(db) -> None:
    account = an_account()
    funded(account, "sms", "5")
    CreditType.objects.filter(code__in=["sms", "email"]).update(is_active=False)
    assert [one.type_code for one in gauges(account.id)] == [code for code in TYPES if code != "email"]


def test_the_portal_reads_its_own_account_and_no_other(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    funded(ours, amount="5")
    funded(theirs, amount="7")
    with rows_of(ours.id):
        assert prepaid_credit(ours.id) == 5
        assert gauges(theirs.id) == []


def test_usage_never_waits_for_credit(db) -> None:
    account = an_account()
    a_rate(cents="10", initial=60, step=60)
    record(account.id, [call()])
    now = gauge(account)
    assert (now.balance, now.since) == (-1, None)
