"""The embedded server and the tools around PostgreSQL."""
