"""Claims tables -> candidate person-dates with the criterion that excludes them, and attrition.

spark-submit jobs/cohort.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["cohort", *sys.argv[1:]]))
