# Databricks notebook source
# MAGIC %md
# MAGIC # Does a digital back-pain program lower lumbar imaging?
# MAGIC
# MAGIC The study of `conf/studies/msk_imaging.yaml` on made-up claims: members who do not exist, among whom the program
# MAGIC lowers imaging to 0.40 of what it would be. On Databricks, install the wheel on the cluster and run all; on a
# MAGIC laptop, `python notebooks/msk_imaging.py` after `make setup`. For your own claims see the last cell.

# COMMAND ----------

import os
from pathlib import Path

import pandas as pd

from counterpart.demo import run_demo, write_demo_site
from counterpart.protocol import load_site
from counterpart.report import draw_plots
from counterpart.session import build_session
from counterpart.store import Store
from counterpart.tables import ATTRITION, COHORT, FOLLOW_UP

FOLDER = Path(os.environ.get("COUNTERPART_DEMO", "demo"))
MEMBERS = int(os.environ.get("COUNTERPART_MEMBERS", "100000"))

# Databricks shows tables and figures with display; elsewhere they are printed.
show = globals().get("display", print)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Run the study
# MAGIC Claims are made and ingested once; a stage whose inputs have not changed is reused. What comes back is what may
# MAGIC leave the site: no ids, no dates of one person, no count from 1 to 10.

# COMMAND ----------

site = load_site(write_demo_site(FOLDER))
spark, _ = build_session(site.spark)
told = run_demo(FOLDER, members=MEMBERS, seed=1, rate_ratio=0.40, dirt="typical")
results = told["results"]

# COMMAND ----------

# MAGIC %md
# MAGIC ## Who is compared with whom
# MAGIC From every enrolment and every therapy visit to the pairs. Steps that would show a small number are merged.

# COMMAND ----------

for arm, steps in results["attrition"].items():
    print(arm)
    show(pd.DataFrame(steps))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Are they alike?
# MAGIC Standardised differences of all covariates, before and after matching; below 0.1 is the usual aim.

# COMMAND ----------

balance = pd.DataFrame(results["balance"]).pivot_table(index="label", columns="phase", values="smd", sort=False)
show(balance.reindex(columns=["before", "after"]).reset_index())
plots = draw_plots(results)
show(plots["love"])
show(plots["score_overlap"])

# COMMAND ----------

# MAGIC %md
# MAGIC ## What the program changed
# MAGIC Visits per 1,000 person-years, crude and matched. The matched interval should hold 0.40, the crude one not.

# COMMAND ----------

effects = pd.DataFrame(results["effects"])
measures = ["rate_treated", "rate_comparator", "rate_ratio", "rate_ratio_lower", "rate_ratio_upper"]
show(effects[["label", "horizon", "phase", *measures]])
show(plots["event_time"])
show(plots["forest"])

# COMMAND ----------

# MAGIC %md
# MAGIC ## The tables behind it
# MAGIC Results of all studies lie side by side, by content key. These are inside the site: count, never list.

# COMMAND ----------

store = Store(spark, site.warehouse, site.upkeep)
keys = told["result_keys"]
cohort = store.read_result(COHORT, keys["cohort"])
follow_up = store.read_result(FOLLOW_UP, keys["outcomes"])
show(store.read_result(ATTRITION, keys["cohort"]).groupBy("arm").count().toPandas())
eligible = cohort.filter("excluded_by IS NULL").join(follow_up, "unit_id")
show(eligible.groupBy("arm", "censored_by").count().filter("count > 10").orderBy("arm", "censored_by").toPandas())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Report, ledger, and your own claims
# MAGIC ```python
# MAGIC from counterpart.application import Application
# MAGIC with Application(Path("conf/sites/ours.yaml"), Path("conf/studies/ours.yaml")) as ours:
# MAGIC     ours.ingest(None)
# MAGIC     told = ours.run_study()
# MAGIC ```

# COMMAND ----------

print(told["paths"]["report"])
print(f"mlflow ui --backend-store-uri {told['mlflow']}   (run {told['run_id']})")
