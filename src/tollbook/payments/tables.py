"""What is stored about payments. No card number ever: a token, the brand, the last four digits, the expiry."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class PaymentMethod(models.Model):
    """A card, as its gateway names it. At most one is the default, and at most one other the backup.

    `fingerprint` is the same for the same number under any token; empty when the gateway doesn't say. `forgotten_at` is when
    the gateway dropped a card that was removed, `renewed_at` when the bank last changed something about it.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=120)
    brand = models.CharField(max_length=20)
    last4 = models.CharField(max_length=4)
    expires_month = models.PositiveSmallIntegerField()
    expires_year = models.PositiveSmallIntegerField()
    fingerprint = models.CharField(max_length=120, blank=True, default="")
    is_default = models.BooleanField(default=False)
    is_backup = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    forgotten_at = models.DateTimeField(null=True)
    renewed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payment_method"
        indexes = [
            models.Index(
                fields=["removed_at"],
                condition=models.Q(removed_at__isnull=False, forgotten_at__isnull=True),
                name="payment_method_to_forget",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account_id"],
                condition=models.Q(is_default=True, removed_at__isnull=True),
                name="one_default_payment_method",
            ),
            models.UniqueConstraint(
                fields=["account_id"],
                condition=models.Q(is_backup=True, removed_at__isnull=True),
                name="one_backup_payment_method",
            ),
            models.CheckConstraint(
                condition=~models.Q(is_default=True, is_backup=True), name="backup_is_another_payment_method"
            ),
        ]


class Payment(models.Model):
    """Money received, once per charge of a gateway. Append-only."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    charge_reference = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**MONEY)
    received_at = models.DateTimeField()
    method_label = models.CharField(max_length=60, blank=True)
    recorded_by = models.CharField(max_length=254, blank=True)

    class Meta:
        db_table = "payment"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "gateway", "charge_reference"], name="charge_recorded_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_positive"),
        ]


class SimulatedCharge(models.Model):
    """The simulated gateway's own memory: what it would have charged, by idempotency key. Not part of the books."""

    pk = models.CompositePrimaryKey("account_id", "idempotency_key")
    account_id = models.UUIDField()
    idempotency_key = models.CharField(max_length=120)
    reference = models.CharField(max_length=60)
    token = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**MONEY)
    outcome = models.CharField(max_length=20)
    decline_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "simulated_charge"


class Installation(models.Model):
    """This installation's name at gateways, which may serve others too; one row, made with the table."""

    id = models.UUIDField(primary_key=True)
    made_at = models.DateTimeField()

    class Meta:
        db_table = "installation"


class GatewayCustomer(models.Model):
    """Whom a gateway keeps an account's cards under."""

    pk = models.CompositePrimaryKey("account_id", "gateway", "reference")
    account_id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    reference = models.CharField(max_length=120)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "gateway_customer"


class GatewayEventSeen(models.Model):
    """A verified webhook, once: `event_id` names it at its gateway. What it is about is asked of the gateway later.

    Of no account: whose it is, is not known when it comes. `tries` counts how often it was taken up, `due_at` is when to
    do so next, `done_at` when it came to its end, with `outcome`.
    """

    pk = models.CompositePrimaryKey("gateway", "event_id")
    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    object_reference = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "gateway_event"
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(done_at__isnull=True), name="gateway_event_waiting"),
            models.Index(fields=["done_at"], condition=models.Q(done_at__isnull=False), name="gateway_event_done"),
        ]


class ChargeTold(models.Model):
    """A webhook that told of something of an account's: which of ours (`purpose`, `our_id`), and what came of it."""

    pk = models.CompositePrimaryKey("account_id", "gateway", "event_id")
    account_id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=120)
    purpose = models.CharField(max_length=20, blank=True)
    our_id = models.CharField(max_length=60, blank=True)
    kind = models.CharField(max_length=20)
    object_reference = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField()
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "charge_told"
        indexes = [models.Index(fields=["account_id", "our_id"], name="charge_told_of")]


class IntentState(models.TextChoices):
    """decided → charging → succeeded | declined | unknown | action_required; unknown is resolved by asking.

    What no longer holds when the card would be charged is withdrawn: nothing was charged.
    """

    DECIDED = "decided", "About to be charged"
    CHARGING = "charging", "Being charged"
    SUCCEEDED = "succeeded", "Paid"
    DECLINED = "declined", "Declined"
    UNKNOWN = "unknown", "Waiting for the gateway's answer"
    ACTION_REQUIRED = "action_required", "Needs your action"
    WITHDRAWN = "withdrawn", "Not charged"


OPEN_INTENTS = (IntentState.DECIDED, IntentState.CHARGING, IntentState.UNKNOWN, IntentState.ACTION_REQUIRED)
_OPEN_INTENT = models.Q(state__in=["decided", "charging", "unknown", "action_required"])


class PaymentIntent(models.Model):
    """One wish to have an invoice paid by a gateway. At most one is open per invoice; its id makes the idempotency key.

    `charging_at` is when the attempt's charge was first sent, which its key is remembered from; `sent_at` when it was sent
    last. `asked_at` is when the gateway was last spoken to, `asks` how often it was asked since, `next_ask_at` when it is to
    be asked again. `page_url` is the gateway's own page where somebody pays or confirms, until `confirm_by`; `given_up_at`
    is when a person asked for it to be ended. While `needs_person_at` is set, it waits at the desk with `question`.
    `request_key` names the request of a person, which is answered once.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    invoice_id = models.UUIDField()
    amount = models.DecimalField(**MONEY)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16, choices=IntentState.choices, default=IntentState.DECIDED)
    automatic = models.BooleanField()
    attempt = models.PositiveSmallIntegerField(default=1)
    gateway = models.CharField(max_length=20, blank=True)
    method_id = models.UUIDField(null=True)
    on_page = models.BooleanField(default=False)
    page_url = models.TextField(blank=True)
    page_reference = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=300)
    requested_by = models.CharField(max_length=254)
    request_key = models.CharField(max_length=200, null=True)
    decided_at = models.DateTimeField()
    charging_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    asks = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=60, blank=True)
    is_hard = models.BooleanField(default=False)
    charge_reference = models.CharField(max_length=120, blank=True)
    payment_id = models.UUIDField(null=True)
    sent_at = models.DateTimeField(null=True)
    next_ask_at = models.DateTimeField(null=True)
    confirm_by = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    given_up_by = models.CharField(max_length=254, blank=True, db_default="")
    needs_person_at = models.DateTimeField(null=True)
    question = models.TextField(blank=True, db_default="")

    class Meta:
        db_table = "payment_intent"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "invoice_id"], condition=_OPEN_INTENT, name="one_open_payment_per_invoice"
            ),
            models.UniqueConstraint(fields=["account_id", "request_key"], name="one_payment_per_request"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_intent_positive"),
        ]
        indexes = [
            models.Index(fields=["account_id", "invoice_id", "-decided_at"], name="payment_intent_of_invoice"),
            models.Index(fields=["state", "decided_at"], condition=_OPEN_INTENT, name="payment_intent_unfinished"),
            models.Index(fields=["finished_at"], name="payment_intent_finished"),
            models.Index(
                fields=["needs_person_at"],
                condition=models.Q(needs_person_at__isnull=False),
                name="payment_intent_needs_person",
            ),
        ]


class CardAttempt(models.Model):
    """One try to charge a card, by the charge's idempotency key: what limits on repeated attempts count.

    It `counts` from before it is sent, until it turns out to have succeeded, or to be none of the card's.
    """

    pk = models.CompositePrimaryKey("account_id", "idempotency_key")
    account_id = models.UUIDField()
    idempotency_key = models.CharField(max_length=120)
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=120)
    began_at = models.DateTimeField()
    failed_at = models.DateTimeField(null=True)
    is_hard = models.BooleanField(default=False)
    counts = models.BooleanField(db_default=True)

    class Meta:
        db_table = "card_attempt"
        indexes = [models.Index(fields=["account_id", "gateway", "token", "-began_at"], name="card_attempt_of_card")]


class OpenCredit(models.Model):
    """What is left of a payment as credit of the account: waits for an invoice or goes back. Changed by guarded updates."""

    pk = models.CompositePrimaryKey("account_id", "payment_id")
    account_id = models.UUIDField()
    payment_id = models.UUIDField()
    balance = models.DecimalField(**MONEY)

    class Meta:
        db_table = "open_credit"
        constraints = [models.CheckConstraint(condition=models.Q(balance__gte=0), name="open_credit_not_negative")]


class RefundState(models.TextChoices):
    """decided → sending → succeeded | declined | unknown; unknown is resolved by asking."""

    DECIDED = "decided", "About to be sent"
    SENDING = "sending", "Being sent"
    SUCCEEDED = "succeeded", "Given back"
    DECLINED = "declined", "Refused by the gateway"
    UNKNOWN = "unknown", "Waiting for the gateway's answer"


OPEN_REFUNDS = (RefundState.DECIDED, RefundState.SENDING, RefundState.UNKNOWN)
_OPEN_REFUND = models.Q(state__in=["decided", "sending", "unknown"])


class RefundSource(models.TextChoices):
    """Where the money that goes back is taken from."""

    CREDIT = "credit", "The account's credit"
    INVOICE = "invoice", "The invoice it paid, which is owed again"
    WALLET = "wallet", "The wallet it filled"
    GOODWILL = "goodwill", "Our revenue: invoice and wallet stay as they are"


class Refund(models.Model):
    """Money given back out of a payment. Set aside in the books when it is decided, so it can't be spent meanwhile."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    payment_id = models.UUIDField()
    amount = models.DecimalField(**MONEY)
    currency = models.CharField(max_length=3)
    source = models.CharField(max_length=16, choices=RefundSource.choices)
    invoice_id = models.UUIDField(null=True)
    wallet_id = models.UUIDField(null=True)
    state = models.CharField(max_length=16, choices=RefundState.choices, default=RefundState.DECIDED)
    reason = models.CharField(max_length=300)
    requested_by = models.CharField(max_length=254)
    decided_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    asks = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True)
    reference = models.CharField(max_length=120, blank=True)

    class Meta:
        db_table = "refund"
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_positive")]
        indexes = [
            models.Index(fields=["account_id", "payment_id"], name="refund_of_payment"),
            models.Index(fields=["state", "decided_at"], condition=_OPEN_REFUND, name="refund_unfinished"),
        ]


class DisputeState(models.TextChoices):
    """open → won | lost; a lost one may still be won."""

    OPEN = "open", "Open"
    WON = "won", "Won"
    LOST = "lost", "Lost"


class Disputed(models.Model):
    """A payment that the card's holder contests, once per dispute of the gateway. Amounts in `currency`.

    `taken` is what it took back out of invoices and credit when it was lost; `fee` what the gateway has kept for it so far.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    reference = models.CharField(max_length=120)
    payment_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**MONEY)
    fee = models.DecimalField(**MONEY, default=0)
    taken = models.DecimalField(**MONEY, default=0)
    lost = models.DecimalField(**MONEY, default=0)
    state = models.CharField(max_length=8, choices=DisputeState.choices, default=DisputeState.OPEN)
    moves = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "dispute"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "gateway", "reference"], name="dispute_recorded_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="dispute_positive"),
        ]
        indexes = [models.Index(fields=["account_id", "payment_id"], name="dispute_of_payment")]


class CollectionSchedule(models.Model):
    """When issued invoices are charged by themselves: days after issue, for invoices issued since it was switched on.

    One row for the installation; without it nothing is collected. Read at the moment money would move.
    """

    name = models.CharField(primary_key=True, max_length=20, default="invoices")
    is_on = models.BooleanField(default=False)
    days = models.JSONField(default=list)
    since_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "collection_schedule"


class CollectionChoice(models.Model):
    """Whether an account's invoices are charged by themselves, where somebody chose; else the operator's schedule holds."""

    pk = models.CompositePrimaryKey("account_id", "name")
    account_id = models.UUIDField()
    name = models.CharField(max_length=20, default="invoices")
    collects = models.BooleanField()
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "collection_choice"
