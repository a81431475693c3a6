"""All stages of a study, in order.

spark-submit jobs/run_study.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("run")
