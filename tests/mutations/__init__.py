"""The guard of the guards: each safety line of the payment path is broken on purpose, and the suite has to notice.

`python -m tests.mutations` (or `make mutants`) copies the tree, breaks one line in the copy, and runs the tests that stand
for it. `lines` is the list; `__main__` the command.
"""
