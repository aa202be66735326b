"""Settings, all from the environment. Nothing secret has a default that works outside this machine.

DATABASE_URL              the database; without it, the commands start the embedded PostgreSQL and set it
MIGRATION_DATABASE_URL    the owner of the tables, for `tollbook migrate` (default: DATABASE_URL)
TOLLBOOK_POOL             connections each process may open to the database (default 24)
TOLLBOOK_API_THREADS      requests of machines that a web process works on at once, each with a connection (default 8)
TOLLBOOK_METRICS_TOKEN    who sends it as a bearer token may read /metrics (default: only this machine, not through a proxy)
TOLLBOOK_HOME             data folder: embedded database, secret key, collected static files (default: ./.tollbook)
TOLLBOOK_SECRET_KEY       signs sessions; without it, a key is made once in the data folder
TOLLBOOK_HOSTS            host names served, comma-separated (default: loopback only)
TOLLBOOK_TLS              "on" behind a TLS proxy: secure cookies, HSTS, trusted X-Forwarded-Proto
TOLLBOOK_MAIL             smtp://user:password@host:port (smtps:// for TLS from the start); without it no mail is sent
TOLLBOOK_MAIL_FROM        the sender of mail (default: the operator's email)
TOLLBOOK_URL              how people reach this installation, for links in mail (default: http(s):// and the first host)
TOLLBOOK_WEBHOOK_KEY      secrets of webhook endpoints are derived from it (default: the secret key); a new one ends them all
TOLLBOOK_WEBHOOK_NETWORKS private networks that webhooks may go to all the same, such as 10.1.2.0/24 (default: none)
TOLLBOOK_WEBHOOK_PORTS    ports that webhooks may go to, or * (default: 443,8443)
TOLLBOOK_WEBHOOK_HTTP     "on" lets webhooks go to http:// addresses, too
TOLLBOOK_OPERATOR_*       NAME, LEGAL_NAME, ADDRESS (lines split by |), COUNTRY, TAX_ID, EMAIL, PHONE, ACCENT,
                          PAYMENT_INSTRUCTIONS, LOGO (an SVG file for invoices: shapes only, at most 32 KB)
TOLLBOOK_LATE_DAYS        how many days late a usage event may be sent (default 35); staff may import older ones
TOLLBOOK_CHART            a CSV file that names accounts of the books as your own chart does (default: English names)
TOLLBOOK_ARCHIVE          folder of archived usage (default: archive in the data folder); web, worker and commands need it
TOLLBOOK_DEMO             "on" in the demo: the simulated gateway is offered, cookies work without TLS
TOLLBOOK_GATEWAYS         payment gateways offered, comma-separated: simulated, stripe, manual (default: simulated and manual
                          in the demo, else manual)
TOLLBOOK_STRIPE_SECRET_KEY, TOLLBOOK_STRIPE_WEBHOOK_SECRETS
                          Stripe's secret key; the signing secrets of its webhooks, separated by commas or spaces.
                          With _FILE at the end of the name: the file that holds it, read when it is needed
TOLLBOOK_STRIPE_API_BASE  where Stripe's API is (default: https://api.stripe.com)
TOLLBOOK_REFILLS_AT_ONCE  refills that the worker charges at the same time (default 4)
TOLLBOOK_REFILL_LIMITS    what no fault may pass: money of an account a month, charges and money of all accounts an hour, in
                          minor units of each currency (default "account_month=2500000,charges_an_hour=1000,
                          money_an_hour=25000000": 25,000.00 and 250,000.00 dollars); staff may give an account its own
TOLLBOOK_BILLING_REVIEW   "on": billing runs leave drafts at the desk, and a person issues them
TOLLBOOK_REMINDER_DAYS    when an open invoice is reminded of: days after its due day, below zero before it, each at most
                          365 (default "-3,1,7,14"); "off": never
"""

import os
import secrets
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tollbook.postgres.home import Home

BASE = Path(__file__).resolve().parent
HOME = Path(os.environ.get("TOLLBOOK_HOME", ".tollbook")).absolute()


class Secret:
    """A secret of the environment, or of the file that `NAME_FILE` names: read when it is needed, and never shown."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<secret {self.name}>"

    def read(self) -> str:
        """The secret as it is now, empty when there is none: a new one in the file needs no restart."""
        file = os.environ.get(f"{self.name}_FILE")
        return (Path(file).read_text(encoding="utf-8") if file else os.environ.get(self.name, "")).strip()


def _secret_key() -> str:
    given = os.environ.get("TOLLBOOK_SECRET_KEY")
    if given:
        return given
    file = HOME / "secret-key"
    if not file.exists():
        Home(HOME).make()
        draft = HOME / f"secret-key.{os.getpid()}"  # whole before it has its name; of two that make one, one wins
        with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_text()


def database(url: str, role: str | None) -> dict[str, object]:
    """Django's description of a `postgresql://` address (host may be a socket folder).

    With a `role`, connections come from a pool and assume it; requests run in short-lived threads, so a connection
    that lived with its thread would be opened anew for each.
    """
    parts = urlsplit(url)
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = str(options.pop("host", "") or unquote(parts.hostname or ""))
    if role:
        # The role not by Django's assume_role, which waits for ever inside a pool. Prepared statements, which are those of
        # `postgres.prepared`, are planned once: what they are given makes no difference.
        options["options"] = f"-c role={role} -c plan_cache_mode=force_generic_plan"
        options["pool"] = {"min_size": 1, "max_size": int(os.environ.get("TOLLBOOK_POOL", "24")), "timeout": 3}
        options["prepare_threshold"] = 5  # for `postgres.prepared`; Django's own cursors never prepare
    options["application_name"] = os.environ.get("TOLLBOOK_PROCESS", "tollbook")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "tollbook",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": parts.port or str(options.pop("port", "")),
        "OPTIONS": options,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }


_ON = {"on", "1", "true", "yes"}
DEMO = os.environ.get("TOLLBOOK_DEMO", "").lower() in _ON
TLS = os.environ.get("TOLLBOOK_TLS", "").lower() in _ON
SECRET_KEY = _secret_key()
DEBUG = False
METRICS_TOKEN = os.environ.get("TOLLBOOK_METRICS_TOKEN", "")
ALLOWED_HOSTS = [host.strip() for host in os.environ.get("TOLLBOOK_HOSTS", "127.0.0.1,localhost,[::1]").split(",")]

_URL = os.environ.get("DATABASE_URL", "postgresql:///tollbook")
DATABASES = {
    "default": database(_URL, "tollbook_engine"),
    "owner": database(os.environ.get("MIGRATION_DATABASE_URL", _URL), None),
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "tollbook",
]
MIDDLEWARE = [
    "tollbook.web.requests.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "tollbook.web.requests.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tollbook.web.requests.RefusalMiddleware",
]
ROOT_URLCONF = "tollbook.web.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"tollbook": "tollbook.web.templatetags.tollbook"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tollbook.web.frame.frame",
            ],
        },
    }
]

AUTH_USER_MODEL = "tollbook.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "tollbook.web.sign_in.InvitedOnly"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS
SECURE_HSTS_SECONDS = 31_536_000 if TLS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en-us"

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

_GATEWAYS = {
    "simulated": "tollbook.payments.simulated.Simulated",
    "stripe": "tollbook.payments.stripe.adapter.Stripe",
    "manual": "tollbook.payments.manual.Manual",
}
GATEWAYS = {
    name.strip(): _GATEWAYS[name.strip()]
    for name in os.environ.get("TOLLBOOK_GATEWAYS", "simulated,manual" if DEMO else "manual").split(",")
    if name.strip()
}

STRIPE_SECRET_KEY = Secret("TOLLBOOK_STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRETS = Secret("TOLLBOOK_STRIPE_WEBHOOK_SECRETS")
STRIPE_API_BASE = os.environ.get("TOLLBOOK_STRIPE_API_BASE") or "https://api.stripe.com"
REFILLS_AT_ONCE = int(os.environ.get("TOLLBOOK_REFILLS_AT_ONCE", "4"))
REFILL_LIMITS = {"account_month": 2_500_000, "charges_an_hour": 1_000, "money_an_hour": 25_000_000} | {
    name.strip(): int(value)
    for name, value in (pair.split("=") for pair in os.environ.get("TOLLBOOK_REFILL_LIMITS", "").split(",") if pair)
}

CHART = Path(os.environ["TOLLBOOK_CHART"]).absolute() if os.environ.get("TOLLBOOK_CHART") else None
ARCHIVE = Path(os.environ.get("TOLLBOOK_ARCHIVE") or HOME / "archive").absolute()
LATE_DAYS = int(os.environ.get("TOLLBOOK_LATE_DAYS", "35"))

_LOGO = os.environ.get("TOLLBOOK_OPERATOR_LOGO")
OPERATOR = {
    "name": os.environ.get("TOLLBOOK_OPERATOR_NAME", "Tollbook"),
    "legal_name": os.environ.get("TOLLBOOK_OPERATOR_LEGAL_NAME", ""),
    "address": os.environ.get("TOLLBOOK_OPERATOR_ADDRESS", "").replace("|", "\n"),
    "country": os.environ.get("TOLLBOOK_OPERATOR_COUNTRY", "US"),
    "tax_id": os.environ.get("TOLLBOOK_OPERATOR_TAX_ID", ""),
    "email": os.environ.get("TOLLBOOK_OPERATOR_EMAIL", ""),
    "phone": os.environ.get("TOLLBOOK_OPERATOR_PHONE", ""),
    "accent": os.environ.get("TOLLBOOK_OPERATOR_ACCENT", "#1f5fbf"),
    "logo_svg": Path(_LOGO).read_text(encoding="utf-8") if _LOGO else "",
    "payment_instructions": os.environ.get("TOLLBOOK_OPERATOR_PAYMENT_INSTRUCTIONS", ""),
}

def reminder_days(text: str) -> list[int]:
    """The schedule of reminders, in order; none when it is "off". Raises ValueError for what is no schedule."""
    days = [] if text.strip().lower() == "off" else sorted({int(part) for part in text.split(",")})
    if any(abs(day) > 365 for day in days):
        raise ValueError(f"TOLLBOOK_REMINDER_DAYS: {text} reaches further than a year")
    return days


REMINDER_DAYS = reminder_days(os.environ.get("TOLLBOOK_REMINDER_DAYS") or "-3,1,7,14")
BILLING_REVIEW = os.environ.get("TOLLBOOK_BILLING_REVIEW", "").lower() in _ON

_MAIL = urlsplit(os.environ.get("TOLLBOOK_MAIL", ""))
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _MAIL.hostname else 'dummy'}.EmailBackend"
EMAIL_HOST = _MAIL.hostname or ""
EMAIL_PORT = _MAIL.port or (465 if _MAIL.scheme == "smtps" else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_MAIL.username or ""), unquote(_MAIL.password or "")
EMAIL_USE_SSL = _MAIL.scheme == "smtps"
EMAIL_USE_TLS = not EMAIL_USE_SSL and bool(_MAIL.username)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = os.environ.get("TOLLBOOK_MAIL_FROM") or OPERATOR["email"] or "tollbook@localhost"

PUBLIC_URL = os.environ.get("TOLLBOOK_URL") or f"{'https' if TLS else 'http'}://{ALLOWED_HOSTS[0]}"
WEBHOOK_KEY = os.environ.get("TOLLBOOK_WEBHOOK_KEY") or SECRET_KEY
WEBHOOK_NETWORKS = [
    str(ip_network(text.strip())) for text in os.environ.get("TOLLBOOK_WEBHOOK_NETWORKS", "").split(",") if text.strip()
]
_PORTS = os.environ.get("TOLLBOOK_WEBHOOK_PORTS", "443,8443").strip()
WEBHOOK_PORTS: set[int] | str = "*" if _PORTS == "*" else {int(port) for port in _PORTS.split(",")}
WEBHOOK_HTTP = os.environ.get("TOLLBOOK_WEBHOOK_HTTP", "").lower() in _ON

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "tollbook.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("TOLLBOOK_LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
    },
}
