"""The machine API from Python: send usage, hold credit, ask for wallets and prices. Needs no Django and no database.

client   Client: what a program holds on to
event    a usage event as it is sent, and what became of a batch
holds    prepaid authorisation: place, extend, capture, release
prices   wallets and quotes
errors   what can go wrong, and which of it is worth a repeat
door     one request, repeated while that makes sense
sender   the thread that delivers what was sent, in order, and sees what is refused
trouble  whether the server can be reached, told once when that changes
waiting  what waits to be delivered, in memory
spool    the same on disk, which survives kill -9 and the server's absence
segment  one file of a spool: checksummed lines
refused  the file of events that the server will not take
lock     one process at a time

It imports the standard library, msgspec and httpx, and nothing else of Tollbook.
"""
