"""Scores -> matched pairs, and a reason for each treated unit without one.

spark-submit jobs/match.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("match")
