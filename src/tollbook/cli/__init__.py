"""The command line: `tollbook`, also `python -m tollbook`.

main         every command with its options: the table of contents
prepare      the environment a command runs in: database, settings
running      serve, web, worker, migrate, demo
people       user create, key create
calls        import-cdr
ship         ship
typed        what people type, as the domain takes it
books        bill, audit
"""
