"""Matches and claims tables -> follow-up and outcomes after the index date.

spark-submit jobs/outcomes.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["outcomes", *sys.argv[1:]]))
