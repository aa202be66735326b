"""Proves the books, and names the first row that is wrong.

rules       one SQL statement per rule: it answers the first row that breaks it (rules.sql)
chain       recomputes each wallet's hash chain and what its transfers consist of
archived    the same of months that left the database, from their files and what is still in the table
books       runs everything, account by account, in one snapshot each
"""
