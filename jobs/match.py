"""Scores -> matched pairs, and a reason for each treated unit without one.

spark-submit jobs/match.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["match", *sys.argv[1:]]))
