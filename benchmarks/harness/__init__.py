"""What the benchmarks share.

traffic   the events of a made-up day, from a fixed seed, as HTTP bodies and as COPY rows
deck      default rates: flat, or 200,000 prefixes
stage     PostgreSQL with its production settings, and Tollbook's own processes on it
child     a program in a process of its own that prepares, waits for the word, measures, reports
ingestion one measurement of ingestion, of its floor, and what it cost
batches   child: batches of events over HTTP
filling   many events in minutes, as ingestion would have left them
copying   child: the same events by COPY, the floor
requests  child: single requests, in a closed loop or an open one
updates   their floor: guarded updates by pgbench
trickle   child: slow connections
watchers  child: open portal streams
wire      HTTP by hand
machine   processor time and memory of processes, and what machine this is
results   figures with their spread, aim and floor; printed, and kept in results/
"""
