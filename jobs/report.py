"""All results -> one HTML file.

spark-submit jobs/report.py --study conf/studies/X.yaml --site conf/sites/Y.yaml
"""

from counterpart.cli import run_job

if __name__ == "__main__":
    run_job("report")
