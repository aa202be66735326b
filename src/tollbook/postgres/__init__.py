"""Talks to PostgreSQL and knows no business.

embedded      the PostgreSQL that comes in a wheel: start, adopt, stop
home          what it keeps on disk: folders, passwords, locks
binaries      where its programs are
unprivileged  the operating system's user that it runs as
named         `.sql` files with named statements, loaded beside the verb that runs them
ids           UUIDv7, made in the application
scope         one transaction as the portal's role, confined to one account's rows
snapshot      one state of the database for several statements, read only
retry         bounded repetition of a transaction that lost a race or its connection
wake          LISTEN/NOTIFY: tell and be told that an account's numbers moved
"""
