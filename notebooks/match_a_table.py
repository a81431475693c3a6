# Databricks notebook source
# MAGIC %md
# MAGIC # Matching a table of your own
# MAGIC
# MAGIC `match` knows nothing of claims or studies: it takes a table with one row per unit. Here 20,000 made-up
# MAGIC patients, of whom the younger and sicker are treated more often; the treatment lowers their cost by 100.
# MAGIC Needs neither Spark nor Java; on a laptop, `python notebooks/match_a_table.py` after `make setup`.

# COMMAND ----------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from counterpart import Matching, balance, match

# Databricks shows tables and figures with display; elsewhere they are printed.
show = globals().get("display", print)

# COMMAND ----------

random = np.random.default_rng(2)
N = 20_000
COVARIATES = ["age", "pain", "visits"]
units = pd.DataFrame({"id": [f"patient-{number}" for number in range(N)], "sex": random.choice(["F", "M"], N)})
units["age"] = random.integers(18, 80, N)
units["pain"] = random.normal(5, 2, N)
units["visits"] = random.poisson(2, N)
wish = 0.7 * (units.pain - 5) - 0.03 * (units.age - 50) + 0.3 * units.visits - 3.6
units["treated"] = random.random(N) < 1 / (1 + np.exp(-wish))
units["cost"] = (
    800 + 150 * units.pain + 4 * units.age + 60 * units.visits - 100 * units.treated + random.normal(0, 50, N)
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Match
# MAGIC A score, the settings, the match: exact on sex, within 0.2 standard deviations of the logit, closest first.

# COMMAND ----------

model = LogisticRegression(max_iter=1000).fit(units[COVARIATES], units.treated)
units["score"] = model.predict_proba(units[COVARIATES])[:, 1]
settings = Matching(exact=("sex",), score="score", caliper=0.2)
result = match(units, settings, seed=0)
compared = balance(units, result, [*COVARIATES, "sex"])

show(result.pairs.head())
show(compared.drop(columns="smd_denominator").round(3).to_string())
print({name: result.summary[name] for name in ("n_treated", "n_controls", "n_pairs", "n_pool_exhausted")})

# COMMAND ----------

# MAGIC %md
# MAGIC ## Are they alike now?

# COMMAND ----------

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for (phase, rows), marker in zip(compared.groupby("phase", sort=False), "ox", strict=True):
    axes.scatter(rows.smd.abs(), rows.covariate, marker=marker, label=phase)
axes.axvline(0.1, color="grey", linewidth=0.8, linestyle="--")
axes.set_xlabel("absolute standardised mean difference")
axes.legend()
show(figure)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What did the treatment do?
# MAGIC Weighted means of the matched, against the crude difference. Planted: -100.

# COMMAND ----------

weighted = result.weights.merge(units, on="id")
mean = weighted.assign(total=weighted.weight * weighted.cost).groupby("treated")[["total", "weight"]].sum()
matched = (mean.total / mean.weight).loc[True] - (mean.total / mean.weight).loc[False]
crude = units[units.treated].cost.mean() - units[~units.treated].cost.mean()
print(f"crude {crude:+.0f}, matched {matched:+.0f}")
