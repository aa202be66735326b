"""The books as one number: every row of every table, ids by the order in which they come up.

Left out are Django's own tables, those of its sign-in, and the workers' beats and jobs, which tell by the machine's own
clock how long things took. Everything else is in it, also the versions of rates and the installation's name.
"""

import re
from hashlib import sha256

from tests.databases import Database

LEFT_OUT = ("django_", "auth_", "account_email", "worker_", "job")
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


def digests(db: Database) -> dict[str, str]:
    """A digest by table, and of everything as "all"."""
    seen: dict[str, str] = {}
    found = {}
    with db.connect("owner") as owner:
        owner.execute("SET timezone = 'UTC'")
        rows = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        for (table,) in rows:
            if not table.startswith(LEFT_OUT):
                texts = owner.execute(f'SELECT t::text FROM public."{table}" AS t').fetchall()
                found[table] = _of_table([text for (text,) in texts], seen)
    found["all"] = sha256(repr(sorted(found.items())).encode()).hexdigest()
    return found


def _of_table(rows: list[str], seen: dict[str, str]) -> str:
    """Rows in the order of their text, in which ids are in the order in which they were made."""
    digest = sha256()
    for row in sorted(rows):
        named = UUID.sub(lambda found: seen.setdefault(found[0].replace("-", ""), f"id{len(seen)}"), row)
        digest.update(named.encode() + b"\n")
    return digest.hexdigest()
