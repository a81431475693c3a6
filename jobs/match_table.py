"""A table of your own -> pairs, unmatched, weights, balance and summary. It needs no site and no study.

spark-submit jobs/match_table.py UNITS --out DIR --exact sex --score ps --caliper 0.2
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("match-table", "--spark")
