"""Outcomes -> balance and effects.

spark-submit jobs/estimate.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["estimate", *sys.argv[1:]]))
