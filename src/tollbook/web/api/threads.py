"""The bounded pool of threads in which the machines' door uses the database, and so its share of the connections."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections
from litestar.concurrency import set_asyncio_executor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

log = logging.getLogger(__name__)
SIZE = int(os.environ.get("TOLLBOOK_API_THREADS", "8"))


class DatabaseThreads(ThreadPoolExecutor):
    """Runs each call with a connection of its own, and gives it back after."""

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """As its parent's; after the call the thread holds no connection, and surely no transaction."""

        def call() -> Result:
            try:
                return fn(*args, **kwargs)
            finally:
                give_back()

        return super().submit(call)


def give_back() -> None:
    """End this thread's use of its connections, as Django does after a request.

    A connection left inside a transaction would swallow the next call's work: that is a defect of ours, so it is
    logged, and Django's object is forgotten; whoever gets the connection next finds it rolled back.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            log.error("A call left a transaction open; it is rolled back.")
            connection.close()
            del connections[connection.alias]
        else:
            connection.close_if_unusable_or_obsolete()


def use() -> DatabaseThreads:
    """Let every handler of this process run in a new pool, which is answered for whoever wants to shut it down."""
    pool = DatabaseThreads(SIZE, "api")
    set_asyncio_executor(pool)
    return pool
