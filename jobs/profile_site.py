"""Claims tables -> a data-quality page.

spark-submit jobs/profile_site.py --site conf/sites/Y.yaml

Not named profile.py: a script's folder comes first in the search for modules, and Python has a module of that name.
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("profile")
