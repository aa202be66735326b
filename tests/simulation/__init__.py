"""Years of many accounts in minutes, with the real code on a real PostgreSQL, and the same state at the end for a seed.

`python -m tests.simulation --years 2 --accounts 200 --seed 7` runs it large; test_simulation.py runs it small, twice.

clock      the one clock of the simulation, which this process and its database obey
gateway    cards, lost answers and days without a gateway, all by the seed
crash      a worker that dies by SIGKILL at a statement, a commit or a charge
world      accounts, what they use, what people do
run        the days one after another, and the proofs in between
digest     the books as one number
"""
