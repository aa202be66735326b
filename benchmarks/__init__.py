"""Each module here answers one question and writes results/<module>.json; `python -m benchmarks` runs them all.

harness   what they share
"""
