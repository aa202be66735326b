"""The bounded pool of threads in which the machines' door uses the database, and so its share of the connections."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from litestar.concurrency import set_asyncio_executor

from tollbook.postgres.gather import give_back

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

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


def use() -> DatabaseThreads:
    """Let every handler of this process run in a new pool, which is answered for whoever wants to shut it down."""
    pool = DatabaseThreads(SIZE, "api")
    set_asyncio_executor(pool)
    return pool
