"""The approximate search: what it may miss is nearness, never a unit, a caliper or who is outside."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpart import Matched, Matching, match
from counterpart.errors import EnvironmentProblem, ProtocolError
from counterpart.matching.cost import choose_search
from counterpart.numerics import approximate
from counterpart.protocol import read_section

D = 12
NAMES = tuple(f"x{k}" for k in range(D))
IN_SPACE: dict[str, Any] = {"score": None, "caliper": None, "distance": "euclidean", "covariates": NAMES}


@pytest.fixture(autouse=True)
def index_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables would be searched exactly."""
    monkeypatch.setattr(approximate, "FEW_COMPARISONS", 0)


def table_of(n_treated: int, n_controls: int, n_levels: int | None = None) -> pd.DataFrame:
    """Normal covariates, or few values of them; treated a little apart."""
    generator = np.random.default_rng(4)
    n = n_treated + n_controls
    values = generator.normal(size=(n, D)) + (np.arange(n) < n_treated)[:, None] * 0.3
    if n_levels is not None:
        values = np.floor(values * n_levels / 4)
    table = pd.DataFrame(values, columns=NAMES)
    return table.assign(
        id=np.arange(n), treated=np.arange(n) < n_treated, sex=np.where(generator.random(n) < 0.3, "F", "M")
    )


def both(table: pd.DataFrame, **settings: Any) -> tuple[Matched[Any], Matched[Any]]:
    """The approximate match and the exact one."""
    of_exact = {name: value for name, value in settings.items() if name != "recall"}
    searches = (IN_SPACE | settings | {"search": "ann"}, IN_SPACE | of_exact | {"search": "exact"})
    found = [match(table, Matching(**search)) for search in searches]
    return found[0], found[1]


@pytest.mark.parametrize("wanted", [0.5, 0.9, 0.99])
def test_the_recall_asked_for_is_measured_and_reached(wanted: float):
    table = table_of(800, 20_000)
    ann, exact = both(table, exact=("sex",), recall=wanted)
    told = ann.summary
    assert told["search"] == "ann"
    assert told["n_audited"] >= 600
    assert told["recall"] >= wanted
    lower, upper = told["recall_interval"]
    assert 0 < lower < told["recall"] <= upper <= 1
    assert told["distance_inflation"] >= 0
    assert 0 < told["uncertified"] <= told["n_pairs"] == exact.summary["n_pairs"] == 800
    assert exact.summary["uncertified"] == 0
    # Not more than the nearest that were missed can cost.
    assert 1 <= told["total_distance"] / exact.summary["total_distance"] < 1 + (1 - wanted) / 2


def test_the_audit_is_true():
    """Recall again, from the distances of all pairs of units."""
    table = table_of(300, 8_000)
    ann = match(table, Matching(**IN_SPACE, search="ann", recall=0.9, replace=True))
    spread = np.sqrt(
        (table[list(NAMES)][table.treated].var() * 299 + table[list(NAMES)][~table.treated].var() * 7_999) / 8_298
    )
    points = (table[list(NAMES)] / spread).to_numpy()
    nearest = np.array([np.sqrt(((points[300:] - point) ** 2).sum(axis=1).min()) for point in points[:300]])
    found = ann.pairs.set_index("treated_id").distance[np.arange(300)].to_numpy()
    assert ann.summary["n_audited"] == 300
    assert ann.summary["recall"] == pytest.approx((found < nearest + 1e-9).mean(), abs=1e-12)
    assert ann.summary["distance_inflation"] == pytest.approx(found.sum() / nearest.sum() - 1, abs=1e-7)


def test_distances_of_which_64_bits_hold_no_sum_are_audited():
    """2^30 standard deviations of the controls away a distance is a whole number of 61 bits: 300 of them have 70."""
    table = table_of(300, 8_000)
    table.loc[table.treated, "x0"] += 2.0**30
    ann, exact = both(table, covariance="controls", recall=0.9, replace=True)
    totals = [result.summary["total_distance"] for result in (ann, exact)]
    assert totals == pytest.approx([result.pairs.distance.sum() for result in (ann, exact)], rel=1e-12)
    assert totals[0] > totals[1] > 300 * 2**29
    # All 300 are audited, and nobody competes: what was listed and what is nearest are what is paired.
    assert ann.summary["distance_inflation"] == pytest.approx(totals[0] / totals[1] - 1, abs=1e-15)


def pairs_of(result: Matched[Any]) -> set[Any]:
    return set(result.pairs[["treated_id", "control_id"]].itertuples(index=False, name=None))


def test_no_more_pairs_differ_than_are_told_to_be_unproven():
    """Treated crowd together: most are searched again, exactly, where others have taken what they believed in."""
    table = table_of(1_500, 3_000)
    table.loc[table.treated, list(NAMES)] *= 0.1
    ann, exact = both(table, recall=0.5)
    assert 0 < len(pairs_of(ann) - pairs_of(exact)) <= ann.summary["uncertified"] <= ann.summary["n_pairs"]


@pytest.mark.parametrize(("person", "doubtful"), [(None, "M"), ("apart", "M"), ("shared", "FM")])
def test_a_stratum_is_doubtful_with_a_list_that_is_believed_or_a_person_of_one_that_has(
    monkeypatch: pytest.MonkeyPatch, person: str | None, doubtful: str
):
    """The smaller stratum is searched exactly; one control of each has the same `shared` person."""
    monkeypatch.setattr(approximate, "FEW_COMPARISONS", 150_000)
    table = table_of(400, 2_000).assign(apart=lambda t: t.id)
    last = [table.id[~table.treated & (table.sex == sex)].iloc[-1] for sex in "FM"]
    table["shared"] = table.id.where(table.id != last[0], last[1])
    result = match(table, Matching(**IN_SPACE, exact=("sex",), search="ann", recall=0.5, person=person))
    assert result.summary["uncertified"] == result.pairs.sex.isin(list(doubtful)).sum() > 0


def test_who_is_searched_exactly_after_all_is_found():
    """Of the nearest whom an index lists hardly one is inside so narrow a caliper; without any the search is exact."""
    table = table_of(400, 8_000).assign(day=lambda t: t.id * 7919 % 20_011)
    ann, exact = both(table, calipers={"day": 5.0}, recall=0.9)
    differ = len(pairs_of(ann) - pairs_of(exact))
    assert ann.summary["recall"] >= 1 - differ / 400


def test_twins_are_all_found():
    """1,376 treated of few patterns, each with a twin: no list is too short for them."""
    treated = table_of(1_376, 0, n_levels=2)
    twins = treated.assign(id=treated.id + 10_000, treated=False)
    far = table_of(0, 5_000, n_levels=2).assign(id=lambda t: t.id + 50_000)
    ann, _ = both(pd.concat([treated, twins, far], ignore_index=True))
    assert (ann.summary["n_pairs"], ann.summary["largest_distance"]) == (1_376, 0.0)


@pytest.mark.parametrize("d", [2, 200])
def test_as_many_dimensions_as_there_are(d: int):
    """Everybody treated has a twin, and some a second one, among many who are near."""
    treated = np.random.default_rng(3).normal(size=(300, d))
    far = np.random.default_rng(5).normal(size=(3_000, d))
    names = tuple(f"x{k}" for k in range(d))
    table = pd.DataFrame(np.vstack([treated, far, treated[:50], treated]), columns=names)
    table = table.assign(id=table.index, treated=table.index < 300)
    ann, _ = both(table, covariates=names)
    assert (ann.summary["n_pairs"], ann.summary["largest_distance"]) == (300, 0.0)
    assert set(ann.pairs.control_id[ann.pairs.treated_id >= 50]) == set(range(3_400, 3_650))


def test_a_pool_that_runs_dry_is_used_to_the_last():
    ann, exact = both(table_of(700, 300))
    assert ann.summary["n_pairs"] == exact.summary["n_pairs"] == 300
    assert set(ann.unmatched.reason) == {"pool_exhausted"}


def test_calipers_hold_and_reasons_are_proven():
    """What is outside every caliper is told as by the exact search; pairs inside are as many, up to missed ones."""
    table = table_of(400, 2_000).assign(age=lambda t: (t.id * 7919 % 60).astype(float))
    ann, exact = both(table, calipers={"age": 0.0, "x0": 0.05}, exact=("sex",))
    ages = table.set_index("id").age
    assert (ages[ann.pairs.treated_id].to_numpy() == ages[ann.pairs.control_id].to_numpy()).all()
    told, expected = (Counter(result.unmatched.reason) for result in (ann, exact))
    assert told["outside_caliper"] == expected["outside_caliper"] > 10
    assert len(ann.pairs) + len(ann.unmatched) == 400
    assert len(ann.pairs) == pytest.approx(len(exact.pairs), rel=0.05)


def test_row_order_does_not_matter():
    table = table_of(300, 6_000)
    matching = Matching(**IN_SPACE, search="ann", recall=0.7)
    expected = match(table, matching).pairs.set_index("treated_id").sort_index()
    shuffled = match(table.sample(frac=1, random_state=5), matching).pairs.set_index("treated_id").sort_index()
    pd.testing.assert_frame_equal(expected, shuffled)


def test_auto_says_why():
    matching = Matching(**IN_SPACE)
    assert choose_search(matching, 10**9).name == "exact"
    large = choose_search(matching, 10**13)
    assert (large.name, large.recall) == ("ann", 0.99)
    assert "10,000,000,000,000 distances take some 4,800.0 s" in large.because
    windowed = Matching(**IN_SPACE | {"score": "ps", "caliper": 0.2})
    assert choose_search(windowed, 10**13).name == "exact"
    assert choose_search(Matching(score="ps"), 10**15).name == "exact"


def test_what_it_is_not_for_and_what_it_needs(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ProtocolError, match="on the score alone the exact search is the fastest"):
        read_section({"score": "ps", "search": "ann"}, Matching, "the command")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'counterpart\[ann\]'"):
        match(table_of(20, 200), Matching(**IN_SPACE, search="ann"))
