"""Matches and claims tables -> follow-up and outcomes after the index date.

spark-submit jobs/outcomes.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("outcomes")
