"""The application: machines' door (Litestar), people's doors and static files (Django), one ASGI callable."""

import gc
import os
import warnings

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tollbook.settings")
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402  (needs the settings)

from tollbook.web.api.app import api  # noqa: E402
from tollbook.web.intake import Intake  # noqa: E402
from tollbook.web.portal.stream import live  # noqa: E402

# WhiteNoise hands out static files by a plain iterator, which Django then reads whole: they are small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

pages = Intake(live(get_asgi_application()), lambda error: ("text/plain; charset=utf-8", error.sentence))
MACHINE_PATHS = ("/healthz", "/readyz", "/metrics")


async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Pass a request to the door it belongs to; the machines' side also owns start and stop."""
    if scope["type"] == "lifespan" or scope["path"].startswith("/api/") or scope["path"] in MACHINE_PATHS:
        await api(scope, receive, send)
    else:
        await pages(scope, receive, send)


# What is loaded by now stays as long as the process: no collection need look at it. And events make many small objects,
# nearly none of them in circles, so collections may be rarer than Python's usual ones.
gc.freeze()
gc.set_threshold(50_000, 20, 50)
