"""What is stored about accounts, users and their rights.

`account` and `user` are small and shared (reference tables on Citus); everything else belongs to one account and carries
its `account_id` first.
"""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

OPERATOR_ID_TEXT = "00000000-0000-0000-0000-000000000000"


class Level(models.TextChoices):
    """How far a user's word reaches. Staff belong to the operator, all others to one account."""

    SUPER_ADMIN = "super_admin", "Super-Admin"
    ADMIN = "admin", "Admin"
    MANAGER = "manager", "Manager"
    AGENT = "agent", "Agent"
    STAFF = "staff", "Staff"


class Area(models.TextChoices):
    """The rows of the Access Control List, in the order of the page."""

    INVOICES = "invoices", "Invoice History"
    SUBSCRIPTIONS = "subscriptions", "Subscriptions"
    CREDITS = "credits", "Minutes/Credits"
    PAYMENTS = "payments", "Payments and refills"


class ZeroRule(models.TextChoices):
    """What happens at zero: refuse what is new, or let the balance go below zero up to a limit."""

    STOP_NEW = "stop_new", "Stop new calls and messages; what is in progress finishes"
    OVERDRAFT = "overdraft", "Go on, down to the overdraft limit"


class Account(models.Model):
    """A customer of the operator: the tenant. What it prints on invoices is copied there when they are issued.

    Its own people may change `country`, `region` and `tax_id`, which are printed; tax is decided by `tax_country`,
    `tax_region` and `checked_tax_id`, which are what of them staff confirmed.
    """

    id = models.UUIDField(primary_key=True)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    legal_name = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, default="US")
    region = models.CharField(max_length=40, blank=True, default="", db_default="")
    tax_id = models.CharField(max_length=40, blank=True)
    po_number = models.CharField(max_length=60, blank=True)
    billing_email = models.EmailField(blank=True)
    recipients = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    tax_exemption = models.CharField(max_length=200, blank=True, default="", db_default="")
    tax_country = models.CharField(max_length=2, blank=True, default="", db_default="")
    tax_region = models.CharField(max_length=40, blank=True, default="", db_default="")
    checked_tax_id = models.CharField(max_length=40, blank=True, default="", db_default="")
    seller_code = models.CharField(max_length=40, default="operator", db_default="operator")
    currency = models.CharField(max_length=3, default="USD")
    timezone = models.CharField(max_length=60, default="UTC")
    locale = models.CharField(max_length=16, default="en-us")
    zero_rule = models.CharField(max_length=16, choices=ZeroRule.choices, default=ZeroRule.STOP_NEW)
    overdraft_limit = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    anchor_on = models.DateField()
    terms_days = models.PositiveSmallIntegerField(default=14)
    grace_days = models.PositiveSmallIntegerField(default=7)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "account"
        constraints = [
            models.CheckConstraint(condition=models.Q(overdraft_limit__gte=0), name="overdraft_limit_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager):
    """Finds users by email, whatever the case it is typed in."""

    def get_by_natural_key(self, email: str) -> "User":
        """The user who signs in as `email`."""
        return self.get(email__iexact=email)


class User(AbstractBaseUser):
    """A person who signs in by email. `account` is empty for the operator's staff and for them only."""

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey(Account, models.PROTECT, null=True, blank=True, related_name="users")
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=150, blank=True)
    level = models.CharField(max_length=16, choices=Level.choices)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []

    class Meta:
        db_table = "user"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_once"),
            models.CheckConstraint(
                condition=models.Q(level=Level.STAFF, account__isnull=True)
                | (~models.Q(level=Level.STAFF) & models.Q(account__isnull=False)),
                name="staff_have_no_account_and_only_they",
            ),
        ]
        indexes = [models.Index(fields=["account", "level"], name="user_of_account")]

    def __str__(self) -> str:
        return self.email


class AccessGrant(models.Model):
    """What one user may do in one area. No row: nothing (Super-Admins need none)."""

    pk = models.CompositePrimaryKey("account_id", "user_id", "area")
    account_id = models.UUIDField()
    user_id = models.UUIDField()
    area = models.CharField(max_length=16, choices=Area.choices)
    can_read = models.BooleanField(default=False)
    can_write = models.BooleanField(default=False)
    granted_by = models.UUIDField()
    granted_at = models.DateTimeField()

    class Meta:
        db_table = "access_grant"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(can_write=False) | models.Q(can_read=True), name="write_needs_read"
            ),
        ]


class RequestState(models.TextChoices):
    """Where a request for access stands."""

    OPEN = "open", "Requested"
    GRANTED = "granted", "Granted"
    DECLINED = "declined", "Declined"


class AccessRequest(models.Model):
    """A user's wish to see Billing, for the account's Super-Admins to decide. At most one open per user."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    user_id = models.UUIDField()
    state = models.CharField(max_length=16, choices=RequestState.choices, default=RequestState.OPEN)
    requested_at = models.DateTimeField()
    decided_by = models.UUIDField(null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "access_request"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "user_id"],
                condition=models.Q(state=RequestState.OPEN),
                name="one_open_access_request",
            ),
        ]


class ApiKey(models.Model):
    """A machine's key. Only a hash of its secret is stored. `account_id` is the operator's id for a platform-wide key."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    secret_hash = models.BinaryField(max_length=32)
    scopes = models.JSONField(default=list)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "api_key"
        indexes = [models.Index(fields=["prefix"], name="api_key_by_prefix")]


class RememberedAnswer(models.Model):
    """What was answered to a request that came with an Idempotency-Key, and the digest of that request. Forgotten by age."""

    pk = models.CompositePrimaryKey("account_id", "key")
    account_id = models.UUIDField()
    key = models.CharField(max_length=200)
    request_digest = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    answer = models.TextField()
    answered_at = models.DateTimeField()

    class Meta:
        db_table = "remembered_answer"
        indexes = [models.Index(fields=["answered_at"], name="remembered_by_age")]


class AuditEntry(models.Model):
    """Who changed what, when, before and after. Append-only; `account_id` is the operator's id for shared settings."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=200)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "audit_entry"
        indexes = [
            models.Index(fields=["account_id", "-at", "-id"], name="audit_newest_first"),
            models.Index(fields=["account_id", "target", "-at"], name="audit_of_target"),
        ]
