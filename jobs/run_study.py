"""All stages of a study, in order.

spark-submit jobs/run_study.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["run", *sys.argv[1:]]))
