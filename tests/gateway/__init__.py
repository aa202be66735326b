"""A gateway for tests and the demo: compatible on the wire with the parts of Stripe's API that Tollbook uses.

Its own process, on 127.0.0.1 only, moving no money; what it would have moved stands in its truth file.

`running`      start it, tell it things, kill it, bring it back: `with running() as gateway` (in `started`)
`truth`        the append-only file of money moved, and its reader
`__main__`     the command: `python -m tests.gateway --help`

Inside: `server` (sockets, and the faults on them), `desk` (one request through limiter, key, idempotency and endpoint),
`faults` (the plan), `idempotency`, `limiter`, `clock`, `books` (objects, journal), `webhooks`, `control`, `pages` (hosted
pages), `cards` (documented test cards), `search`, `shapes` (parameters), `errors`; and the endpoints: `customers`,
`methods`, `intents`, `charges`, `refunds`, `disputes`, `setups`, `checkout`, `events`.
"""

from tests.gateway.started import Gateway, running

__all__ = ["Gateway", "running"]
