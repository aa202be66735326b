"""A switch's call records, as they are written, into the API: `tollbook ship`. Needs no database.

ship      rows into events, into the API, and on; what is done is done
tail      a file that grows and is rotated
source    one file of it, open, and how far it is taken
mark      how far it is taken, kept on disk for the next time
leftover  rejected rows, appended to a file, with their reasons
report    what was done, counted
"""
