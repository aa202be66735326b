"""Safety lines, what each becomes when it is broken, and which tests must fail then."""

from dataclasses import dataclass

RUN, MACHINE, LONG = (f"tests/refills/test_{name}.py" for name in ("run", "machine", "long_run"))
RULE, STRIPE = "tests/refills/test_rule.py", "tests/payments/test_inbox.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`was` stands exactly once in `file` (below src/tollbook) and becomes `becomes`; of the tests in `suite` that match
    `tests`, at least one has to fail."""

    name: str
    file: str
    was: str
    becomes: str
    suite: str
    tests: str


MUTANTS = (
    Mutant(
        "drop the unique index of open refills",
        "migrations/0001_initial.py",
        'condition=models.Q(("state__in", ["decided", "charging", "unknown", "action_required"])),\n'
        '                        fields=("account_id", "wallet_id"),',
        'condition=models.Q(("state__in", ["never"])),\n                        fields=("account_id", "wallet_id"),',
        MACHINE,
        "without_a_rule_open_one",
    ),
    Mutant(
        "decide without the wallet's lock",
        "wallets/wallet.sql",
        "ORDER BY id\nFOR NO KEY UPDATE",
        "ORDER BY id",
        RUN,
        "brought_eight_times or never_older_than",
    ),
    Mutant(
        "decide without taking turns",
        "refills/facts.py",
        '        cursor.execute(SQL["take_turn"], {"key": TURN})',
        '        cursor.execute("SELECT 1")',
        MACHINE,
        "share_the_room",
    ),
    Mutant(
        "call the gateway inside the transaction",
        "payments/gateway.py",
        "    if connection.in_atomic_block:",
        "    if not connection:",
        RUN,
        "no_gateway_is_called_inside",
    ),
    Mutant(
        "move the commit behind the charge",
        "refills/run.py",
        "    return _charge(refill, send.begin(refill.account_id, refill.id))",
        "    with decide.transaction.atomic():\n        return _charge(refill, send._begin(refill.account_id, refill.id))",
        RUN,
        "in_one_go",
    ),
    Mutant(
        "make the key anew for each sending",
        "refills/send.py",
        "    return _charge(refill, wallet, card, attempt.idempotency_key, attempt.attempt)",
        '    return _charge(refill, wallet, card, f"{attempt.idempotency_key}:{attempt.sends}", attempt.attempt)',
        RUN,
        "under_the_same_key",
    ),
    Mutant(
        "send a key again for ever",
        "refills/send.py",
        "    if waited >= gateway.remembers(card.gateway) - KEY_MARGIN:",
        "    if waited >= gateway.remembers(card.gateway) * 1000:",
        MACHINE,
        "may_have_forgotten",
    ),
    Mutant(
        "charge again instead of asking",
        "refills/run.py",
        "    if answer is None:\n        return _charge(claimed",
        "    if answer is None or isinstance(answer, Unknown):\n        return _charge(claimed",
        LONG,
        "resolved_after_25_hours",
    ),
    Mutant(
        "ask before it is time",
        "refills/send.sql",
        "  AND (next_ask_at IS NULL OR next_ask_at <= clock_timestamp() OR given_up_at > asked_at)",
        "",
        MACHINE,
        "before_its_time",
    ),
    Mutant(
        "take silence for a decline",
        "refills/settle.py",
        "            _stay_unknown(refill, attempt, answer)",
        '            _declined(refill, attempt, Declined("silent", answer.message))',
        RUN,
        "lost_answer_is_resolved",
    ),
    Mutant(
        "credit every answer",
        "refills/settle.py",
        "    elif refill.state != RefillState.SUCCEEDED:",
        "    elif refill.id:",
        RUN,
        "brought_eight_times",
    ),
    Mutant(
        "credit a wrong sum",
        "refills/settle.py",
        "    if (answer.amount, answer.currency) != (refill.amount, refill.currency):",
        "    if not answer.amount:",
        RUN,
        "wrong_sum",
    ),
    Mutant(
        "let a late decline end the second attempt",
        "refills/settle.py",
        "    elif attempt.attempt == refill.attempt and refill.state in OPEN_STATES:",
        "    elif refill.state in OPEN_STATES:",
        MACHINE,
        "late_decline",
    ),
    Mutant(
        "try the backup for every decline",
        "refills/settle.py",
        "    if attempt.attempt > 1 or not answer.curable_by_other_card or refill.given_up_at is not None:",
        "    if attempt.attempt > 1:",
        MACHINE,
        "no_other_card_cures",
    ),
    Mutant(
        "read the kill switch at the decision only",
        "refills/send.py",
        "_outdated(refill, wallet, facts) or (first_stop_of_sending(facts) if card else None)",
        "_outdated(refill, wallet, facts)",
        RUN,
        "kill_switch_is_read_again",
    ),
    Mutant(
        "send by a rule that was changed",
        "refills/send.py",
        '    if facts.rule.version != (refill.rule or {}).get("version"):',
        "    if not facts.rule.version:",
        RUN,
        "does_not_hold_any_more",
    ),
    Mutant(
        "release the cool-down",
        "refills/brakes.py",
        "    if until <= facts.now:\n        return None\n    card = ",
        "    if until:\n        return None\n    card = ",
        RUN,
        "pause_doubles",
    ),
    Mutant(
        "count no failures of a card",
        "refills/facts.sql",
        "           state IN ('declined', 'action_required') AS failed",
        "           state IN ('never') AS failed",
        RUN,
        "akash_3660",
    ),
    Mutant(
        "retry a card that was refused for good",
        "refills/brakes.py",
        "    if facts.card is None or not facts.record.refused:",
        "    if facts.card is None or facts.record.refused is not None:",
        MACHINE,
        "refused_for_good",
    ),
    Mutant(
        "count no charges of the day",
        "refills/brakes.py",
        "    if facts.charged.today < most:",
        "    if facts.charged.today < most * 100:",
        RUN,
        "daily_count",
    ),
    Mutant(
        "pass the monthly cap",
        "refills/brakes.py",
        "    if facts.charged.this_month + facts.amount <= most:",
        "    if facts.charged.this_month <= most:",
        RUN,
        "monthly_cap",
    ),
    Mutant(
        "pass the account's limit",
        "refills/brakes.py",
        "    if spent + facts.amount <= most:",
        "    if spent <= most * 100:",
        MACHINE,
        "limit_over_all_its_wallets",
    ),
    Mutant(
        "count succeeded refills only",
        "refills/facts.sql",
        "AND state IN ('decided', 'charging', 'unknown', 'action_required', 'succeeded')",
        "AND state IN ('succeeded')",
        MACHINE,
        "open_refills_count",
    ),
    Mutant(
        "pass the operator's limits",
        "refills/brakes.py",
        "    if done.count < limits.charges_an_hour and done.money + facts.amount <= limits.money_an_hour:",
        "    if done.count >= 0:",
        MACHINE,
        "operator_has_limits",
    ),
    Mutant(
        "switch the velocity breaker off",
        "refills/brakes.py",
        "MOST_PER_HOUR = 5",
        "MOST_PER_HOUR = 500",
        RUN,
        "five_automatic_refills",
    ),
    Mutant(
        "let time release the breaker",
        "refills/brakes.py",
        "    if not facts.automatic or facts.rule is None or facts.rule.tripped_at is None:",
        "    if facts.rule is not None or facts.rule is None:",
        RUN,
        "only_a_person_releases",
    ),
    Mutant(
        "refill after an adjustment",
        "refills/facts.py",
        '        adjusted_at=None if kind in (None, "usage") else posted_at,',
        "        adjusted_at=None,",
        RUN,
        "adjustment_never_triggers",
    ),
    Mutant(
        "charge one refill amount, whatever the gap",
        "refills/rule.py",
        "    return rule.refill_amount * whole_multiples_above(rule.minimum_before_refill - balance, rule.refill_amount)",
        "    return rule.refill_amount",
        RUN,
        "closes_a_gap",
    ),
    Mutant(
        "save a rule that would loop",
        "refills/rule.py",
        "    if new.monthly_cap < needed:",
        "    if new.monthly_cap < 0:",
        RULE,
        "cannot_work",
    ),
    Mutant(
        "credit what a person says against the gateway",
        "refills/person.py",
        "    if alarmed:",
        "    if not reference:",
        MACHINE,
        "can_not_be_credited_by_one",
    ),
    Mutant(
        "take webhooks from the future",
        "payments/stripe/signature.py",
        "    if abs(now.timestamp() - sent) > TOLERANCE.total_seconds():",
        "    if now.timestamp() - sent > TOLERANCE.total_seconds():",
        STRIPE,
        "five_minutes",
    ),
    Mutant(
        "take webhooks that nobody signed",
        "payments/stripe/signature.py",
        "    if fitting == 0:",
        "    if fitting < 0:",
        STRIPE,
        "forged",
    ),
)
