"""Cohort and claims tables -> covariates before the index date.

spark-submit jobs/covariates.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("covariates")
