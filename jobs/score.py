"""Covariates -> propensity scores and the model behind them.

spark-submit jobs/score.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("score")
