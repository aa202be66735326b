"""The application for machines, to be mounted for /api/, /healthz and /readyz. Django must be set up before this import."""

from litestar import Litestar, Router

from tollbook.web.api import health, holds, problems, threads, usage
from tollbook.web.api.auth import require_key, require_media_type
from tollbook.web.api.edge import Edge

LARGEST_BODY = 16 * 1024 * 1024

v1 = Router(
    "/api/v1",
    route_handlers=[
        usage.send_usage,
        holds.place_hold,
        holds.extend_hold,
        holds.capture_hold,
        holds.release_hold,
    ],
    guards=[require_key, require_media_type],
)
threads.use()
inner = Litestar(
    route_handlers=[v1, health.healthz, health.readyz],
    exception_handlers=problems.HANDLERS,
    request_max_body_size=LARGEST_BODY,
    logging_config=None,
    openapi_config=None,
)
api = Edge(inner)
