"""One matcher on one problem, alone in its process: `python matching_peer.py MATCHER FOLDER`. Knows nothing of us.

The folder has logit.npy, points.npy where there are covariates (treated before controls), and problem.json: treated,
caliper (null: any), neighbours, threads, runs. Neighbour libraries only find neighbours: those outside the caliper are
dropped, and the rest is taken closest first. Prints JSON: seconds (after a warm-up on a tenth, the best of the runs;
a single run has no warm-up), pairs, total, and what the matcher tells of itself.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SECONDS_ENOUGH = 20.0
# Spark ML joins what lies nearer than this: most nearest controls of 20 independent covariates do.
LSH_RADIUS = 5.0
AUDITED = 400
RECALL = 0.99
SECONDS_OF_SEARCH = 1200.0


@dataclass
class Problem:
    """Both arms; points are float32, without covariates None."""

    logit_treated: np.ndarray
    logit_controls: np.ndarray
    treated: np.ndarray | None
    controls: np.ndarray | None
    caliper: float | None
    neighbours: int
    threads: int

    def tenth(self):
        """A small one of the same kind."""
        n, m = len(self.logit_treated) // 10, len(self.logit_controls) // 10
        points = (None, None) if self.treated is None else (self.treated[:n], self.controls[:m])
        return Problem(
            self.logit_treated[:n], self.logit_controls[:m], *points, self.caliper, self.neighbours, self.threads
        )


def take_closest(treated, control, distance, problem):
    """Distances of the pairs that are taken closest first, everybody once."""
    inside = control >= 0
    if problem.caliper is not None:
        inside &= np.abs(problem.logit_treated[treated] - problem.logit_controls[control]) <= problem.caliper
    treated, control, distance = treated[inside], control[inside], distance[inside]
    is_free_treated = np.ones(len(problem.logit_treated), dtype=bool)
    is_free_control = np.ones(len(problem.logit_controls), dtype=bool)
    found = []
    for i in np.argsort(distance, kind="stable"):
        if is_free_treated[treated[i]] and is_free_control[control[i]]:
            is_free_treated[treated[i]] = is_free_control[control[i]] = False
            found.append(distance[i])
    return np.array(found)


def among_neighbours(find):
    """A matcher of a function that finds so many neighbours of each: (numbers, distances), -1 where there is none."""

    def match(problem):
        near, distance = find(problem)
        treated = np.repeat(np.arange(len(near)), near.shape[1])
        return take_closest(treated, near.ravel(), distance.ravel(), problem), {}

    return match


def flat(problem):
    import faiss

    faiss.omp_set_num_threads(problem.threads)
    index = faiss.IndexFlatL2(problem.controls.shape[1])
    index.add(problem.controls)
    return _ask(index, problem.treated, problem.neighbours)


def inverted(problem):
    index, n_cells = _cells(problem, int(4 * np.sqrt(len(problem.controls))))
    index.nprobe = max(1, n_cells // 8)
    return _ask(index, problem.treated, problem.neighbours)


def tuned(problem):
    """As many cells probed as find the nearest control of 99 % of an audit. A search that takes too long is cut off.

    Its seconds are then those of the whole at the speed seen, and `searched` says how many were.
    """
    clock = [time.perf_counter()]
    index, n_cells = _cells(problem, int(np.sqrt(len(problem.controls))))
    clock.append(time.perf_counter())
    audit = problem.treated[:: max(1, len(problem.treated) // AUDITED)][:AUDITED]
    import faiss

    nearest = faiss.knn(audit, problem.controls, 1)[1]
    index.nprobe, recall = 8, 0.0
    while recall < RECALL and index.nprobe < n_cells:
        index.nprobe = min(2 * index.nprobe, n_cells)
        recall = float(np.mean(_ask(index, audit, problem.neighbours)[0][:, :1] == nearest))
    clock.append(time.perf_counter())
    near, distance, n_done = [], [], 0
    for start in range(0, len(problem.treated), 1000):
        found = _ask(index, problem.treated[start : start + 1000], problem.neighbours)
        near.append(found[0])
        distance.append(found[1])
        n_done += len(found[0])
        if time.perf_counter() - clock[-1] > SECONDS_OF_SEARCH:
            break
    clock.append(time.perf_counter())
    build, tune, search = np.diff(clock)
    treated = np.repeat(np.arange(n_done), problem.neighbours)
    pairs = take_closest(treated, np.concatenate(near).ravel(), np.concatenate(distance).ravel(), problem)
    steps = {"build": build, "tune": tune, "search": search * len(problem.treated) / n_done}
    told = {"cells": n_cells, "probed": index.nprobe, "recall": recall, "searched": n_done, "steps": steps}
    return pairs, told | {"seconds": sum(steps.values())}


def _cells(problem, n_cells):
    import faiss

    faiss.omp_set_num_threads(problem.threads)
    d = problem.controls.shape[1]
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, n_cells)
    index.train(problem.controls[:: max(1, len(problem.controls) // (64 * n_cells))])
    index.add(problem.controls)
    return index, n_cells


def _ask(index, points, k):
    squares, near = index.search(points, k)
    return near, np.sqrt(np.maximum(squares, 0))


def hnsw(problem):
    import hnswlib

    index = hnswlib.Index(space="l2", dim=problem.controls.shape[1])
    index.init_index(max_elements=len(problem.controls), ef_construction=200, M=16, random_seed=1)
    index.set_num_threads(problem.threads)
    index.add_items(problem.controls)
    index.set_ef(2 * problem.neighbours)
    near, squares = index.knn_query(problem.treated, k=problem.neighbours)
    return near.astype(np.int64), np.sqrt(squares)


def ball_tree(problem):
    from sklearn.neighbors import NearestNeighbors

    fitted = NearestNeighbors(algorithm="auto", n_jobs=problem.threads).fit(problem.controls)
    distance, near = fitted.kneighbors(problem.treated, n_neighbors=problem.neighbours)
    return near, distance


def spark_lsh(problem):
    """Spark ML's random projections, joined, on all cores; it keeps no caliper, so this is kept afterwards."""
    from pyspark.ml.feature import BucketedRandomProjectionLSH
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    session = SparkSession.builder.master("local[2]").config("spark.driver.memory", "6g")
    for name in ("spark.ui.enabled", "spark.ui.showConsoleProgress"):
        session = session.config(name, "false")
    spark = session.config("spark.sql.shuffle.partitions", "8").getOrCreate()

    def frame(points):
        columns = {f"x{k}": values for k, values in enumerate(points.T)}
        import pandas as pd

        table = spark.createDataFrame(pd.DataFrame({"unit": np.arange(len(points))} | columns))
        return table.select("unit", array_to_vector(F.array(*columns)).alias("point"))

    treated, controls = frame(problem.treated.astype(float)), frame(problem.controls.astype(float))
    hashes = BucketedRandomProjectionLSH(
        inputCol="point", outputCol="hashes", bucketLength=4.0, numHashTables=3, seed=1
    )
    joined = hashes.fit(controls).approxSimilarityJoin(treated, controls, LSH_RADIUS, "distance")
    near = joined.select(F.col("datasetA.unit").alias("t"), F.col("datasetB.unit").alias("c"), "distance").toPandas()
    found = take_closest(near["t"].to_numpy(), near["c"].to_numpy(), near["distance"].to_numpy(), problem)
    return found, {}


def causalml(problem):
    """It wants the caliper in standard deviations of the score, and gives rows of treated, then of their controls."""
    import pandas as pd
    from causalml.match import NearestNeighborMatch

    score = np.concatenate([problem.logit_treated, problem.logit_controls])
    is_treated = np.arange(len(score)) < len(problem.logit_treated)
    table = pd.DataFrame({"treated": is_treated.astype(int), "score": score})
    matcher = NearestNeighborMatch(caliper=problem.caliper / score.std(), replace=False, ratio=1, shuffle=False)
    rows = matcher.match(table, "treated", ["score"])["score"].to_numpy()
    return np.abs(rows[: len(rows) // 2] - rows[len(rows) // 2 :]), {}


IN_SPACE = {
    "FAISS, flat": among_neighbours(flat),
    "FAISS, inverted file": among_neighbours(inverted),
    "hnswlib": among_neighbours(hnsw),
    "scikit-learn": among_neighbours(ball_tree),
}
ON_SPARK = {"Spark ML, random projections": spark_lsh}
ON_SCORE = {"causalml": causalml}
WITHOUT_CALIPER = {"FAISS, inverted file of the same recall": tuned}


def read_problem(folder):
    told = json.loads((folder / "problem.json").read_text())
    logit, n = np.load(folder / "logit.npy"), told["treated"]
    points = (None, None)
    if (folder / "points.npy").exists():
        both = np.load(folder / "points.npy", mmap_mode="r")
        points = tuple(np.ascontiguousarray(arm, dtype=np.float32) for arm in (both[:n], both[n:]))
    problem = Problem(logit[:n], logit[n:], *points, told["caliper"], told["neighbours"], told["threads"])
    return problem, told["runs"]


def main(name: str, folder: Path) -> None:
    """Measure and print."""
    problem, runs = read_problem(folder)
    match = (IN_SPACE | ON_SPARK | ON_SCORE | WITHOUT_CALIPER)[name]
    if runs > 1:
        match(problem.tenth())
    best, spent = np.inf, 0.0
    for _ in range(runs):
        start = time.perf_counter()
        found, told = match(problem)
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
        if spent > SECONDS_ENOUGH:
            break
    print(json.dumps({"seconds": best, "pairs": len(found), "total": float(found.sum())} | told))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
