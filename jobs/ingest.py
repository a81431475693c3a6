"""Raw claims -> claims tables.

spark-submit jobs/ingest.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

import sys

from counterpart.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["ingest", *sys.argv[1:]]))
