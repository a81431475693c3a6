"""Cohort and claims tables -> covariates before the index date.

spark-submit jobs/covariates.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["covariates", *sys.argv[1:]]))
