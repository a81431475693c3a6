"""Claims tables -> candidate person-dates with the criterion that excludes them, and attrition.

spark-submit jobs/cohort.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("cohort")
