"""One matcher on one problem, alone in its process: `python matching_peer.py MATCHER FOLDER`. Knows nothing of us.

The folder has points.npy (controls after treated), logit.npy and problem.json (treated, caliper). Neighbour libraries
only find neighbours; here they get 100 for each treated unit, those outside the caliper are dropped, and the rest is
taken closest first. Prints JSON: seconds (one warm-up on a tenth, then the best of the runs asked for), pairs, total.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

NEIGHBOURS = 100
SECONDS_ENOUGH = 20.0
RUNS = 3


def take_closest(near, distance, logit_treated, logit_controls, caliper):
    """Pairs (treated, control, distance), closest first, everybody once."""
    treated = np.repeat(np.arange(len(near)), near.shape[1])
    control, distance = near.ravel(), distance.ravel()
    inside = (control >= 0) & (np.abs(logit_treated[treated] - logit_controls[control]) <= caliper)
    treated, control, distance = treated[inside], control[inside], distance[inside]
    is_free_treated, is_free_control = np.ones(len(near), dtype=bool), np.ones(len(logit_controls), dtype=bool)
    found = []
    for i in np.argsort(distance, kind="stable"):
        if is_free_treated[treated[i]] and is_free_control[control[i]]:
            is_free_treated[treated[i]] = is_free_control[control[i]] = False
            found.append(distance[i])
    return np.array(found)


def faiss_index(build):
    def neighbours(treated, controls, k):
        import faiss

        faiss.omp_set_num_threads(1)
        index = build(faiss, controls)
        squares, near = index.search(treated, k)
        return near, np.sqrt(np.maximum(squares, 0))

    return neighbours


def flat(faiss, controls):
    index = faiss.IndexFlatL2(controls.shape[1])
    index.add(controls)
    return index


def inverted(faiss, controls):
    n_cells = int(4 * np.sqrt(len(controls)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(controls.shape[1]), controls.shape[1], n_cells)
    index.train(controls[:: max(1, len(controls) // (64 * n_cells))])
    index.add(controls)
    index.nprobe = max(1, n_cells // 8)
    return index


def hnsw(treated, controls, k):
    import hnswlib

    index = hnswlib.Index(space="l2", dim=controls.shape[1])
    index.init_index(max_elements=len(controls), ef_construction=200, M=16, random_seed=1)
    index.set_num_threads(1)
    index.add_items(controls)
    index.set_ef(2 * k)
    near, squares = index.knn_query(treated, k=k)
    return near.astype(np.int64), np.sqrt(squares)


def ball_tree(treated, controls, k):
    from sklearn.neighbors import NearestNeighbors

    distance, near = NearestNeighbors(algorithm="auto", n_jobs=1).fit(controls).kneighbors(treated, n_neighbors=k)
    return near, distance


MATCHERS = {
    "FAISS, flat": faiss_index(flat),
    "FAISS, inverted file": faiss_index(inverted),
    "hnswlib": hnsw,
    "scikit-learn": ball_tree,
}


def main(name: str, folder: Path) -> None:
    """Measure and print."""
    points = np.ascontiguousarray(np.load(folder / "points.npy"), dtype=np.float32)
    logit, problem = np.load(folder / "logit.npy"), json.loads((folder / "problem.json").read_text())
    n, best, spent = problem["treated"], np.inf, 0.0
    find = MATCHERS[name]
    find(points[: n // 10], points[n : n + (len(points) - n) // 10], 1)
    for _ in range(RUNS):
        start = time.perf_counter()
        near, distance = find(points[:n], points[n:], NEIGHBOURS)
        found = take_closest(near, distance, logit[:n], logit[n:], problem["caliper"])
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
        if spent > SECONDS_ENOUGH:
            break
    print(json.dumps({"seconds": best, "pairs": len(found), "total": float(found.sum())}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
