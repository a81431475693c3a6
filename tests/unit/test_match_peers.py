"""`match` beside other software: MatchIt's and CohortMethod's matches on the same scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from counterpart import Matching, match


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("run", "n_sets", "settings"),
    [
        ("nn_ps_1to1_noreplace", 185, {"caliper": None}),
        ("nn_ps_1to1_caliper02sd", 113, {}),
        ("nn_logit_1to1_caliper02sd", 117, {}),
        ("nn_ps_1to1_exact_race", 116, {"caliper": None, "exact": ("race", "married")}),
        ("nn_ps_1to1_replace", 185, {"caliper": None, "replace": True}),
        ("nn_ps_1to3_caliper02sd", 113, {"ratio": 3}),
        ("NHEFS_nn", 403, {"caliper": None}),
        ("NHEFS_logit_cal", 393, {}),
        ("NHEFS_1_2", 393, {"ratio": 2}),
    ],
)
def test_the_sets_are_those_of_matchit(public_claims: Path, run: str, n_sets: int, settings: dict[str, Any]):
    """MatchIt 4.7.2 on LaLonde's data and NHEFS, given its scores, treated by falling score, caliper over all units.

    The same treated, each with controls of the same scores. Which of several controls with one score it takes MatchIt
    leaves to its sorting, so scores are compared, not ids; treated of one score come by row in both.
    """
    folder = public_claims / "causal" / "matchit_4_7_2"
    units = pd.read_csv(folder / f"{run}_weights.csv", dtype={"id": str}).rename(columns={"ps": "score"})
    if run.startswith("nn_"):
        lalonde = pd.read_csv(public_claims / "causal" / "lalonde.csv").rename(columns={"rownames": "id"})
        units = units.merge(lalonde, on="id", validate="one_to_one")
    units["row"] = units.index
    score = units.set_index("id").score
    peer = pd.read_csv(folder / f"{run}_pairs.csv", dtype=str).set_index("treated").stack()
    theirs = peer.map(score).groupby(level=0).agg(sorted).to_dict()
    matching = Matching(
        **{"treated": "treat", "score": "score", "score_scale": "logit", "caliper_scale": "overall"}
        | {"order": "largest", "tie_order": "row"}
        | settings
    )
    result = match(units, matching)
    pairs = result.pairs
    ours = pairs.control_id.map(score).groupby(pairs.treated_id).agg(sorted).to_dict()
    assert len(theirs) == n_sets
    assert ours == theirs
    # MatchIt's weights of controls add up to their number, ours to that of the treated.
    is_control = ~result.weights.id.isin(units.id[units.treat == 1])
    weight = result.weights[is_control].weight.groupby(result.weights.id.map(score)).sum()
    peers = units[(units.treat == 0) & (units.w > 0)].groupby("score").w.sum()
    pd.testing.assert_series_equal(weight / weight.sum(), peers / peers.sum(), check_names=False, rtol=1e-12)


@pytest.mark.realdata
def test_the_mahalanobis_pairs_are_those_of_matchit(public_claims: Path):
    """LaLonde's data by Mahalanobis distance in the order of rows: all 185 pairs, up to controls of the same values.

    MatchIt's covariance is the pooled one of dummies of all three races, inverted as far as it can be; so is ours.
    """
    units = pd.read_csv(public_claims / "causal" / "lalonde.csv").rename(columns={"rownames": "id"})
    races = pd.get_dummies(units.race, dtype=float)
    units = units.assign(row=units.index).join(races)
    covariates = ("age", "educ", *races.columns, "married", "nodegree", "re74", "re75")
    matching = Matching(
        treated="treat",
        score=None,
        caliper=None,
        distance="mahalanobis",
        covariates=covariates,
        pseudo_inverse=True,
        order="data",
        tie_order="row",
    )
    ours = match(units, matching).pairs.set_index("treated_id").control_id
    folder = public_claims / "causal" / "matchit_4_7_2"
    theirs = pd.read_csv(folder / "nn_mahalanobis_1to1_pairs.csv", dtype=str).set_index("treated").mm
    values = units.set_index("id")[list(covariates)]
    assert len(ours) == len(theirs) == 185
    assert (values.loc[ours[theirs.index]].to_numpy() == values.loc[theirs].to_numpy()).all()


@pytest.mark.parametrize(
    ("ratio", "treated", "score", "sets"),
    [
        (1, "1 0 1 0 1", "0 .1 .3 .4 1", "0 0 1 1 -"),
        (100, "0 1 0 0 1 0", "0 .1 .12 .85 .9 1", "0 0 0 1 1 1"),
        (100, "0 1 1 1 0", ".2 .4 .6 .8 1", "1 1 - 0 0"),
        (100, "0 1 0 0 0 0 1 0", "0 .1 .11 .12 .13 .85 .9 1", "1 0 0 0 0 1 1 1"),
    ],
)
def test_small_tables_are_matched_as_cohortmethod_does(ratio: int, treated: str, score: str, sets: str):
    """OHDSI's CohortMethod (its unit tests of matchOnPs, no caliper): the same rows together, the same dropped.

    In the last, the control at 0 goes to the treated at .9: everyone gets the third before anyone gets the fourth.
    """
    units = pd.DataFrame({"treated": list(map(int, treated.split())), "score": list(map(float, score.split()))})
    units["id"] = units.index
    result = match(units, Matching(score="score", score_scale="logit", caliper=None, ratio=ratio))
    of_set = dict(zip(result.weights.id, result.weights.set_id, strict=True))
    expected = [label for label in sets.split() if label != "-"]
    assert [unit for unit, label in enumerate(sets.split()) if label != "-"] == sorted(of_set)
    found = [of_set[unit] for unit in sorted(of_set)]
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))
