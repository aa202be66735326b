"""What happens by itself.

tables      the worker's heartbeat
timetable   the one list of what runs when
loop        runs it, wakes early when told, stops cleanly
round       one run of one job: by one worker at a time, timed, written down
"""
