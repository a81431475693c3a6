"""What leaves the site: nothing small is shown, and nothing small can be had by adding and subtracting what is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.results import STUDY, about, balance_row, chain, effect, release, results, table

from counterpart.disclosure import release_intake
from counterpart.errors import DataError
from counterpart.tables import ATTRITION, BALANCE, COVARIATE_DICTIONARY, EFFECTS, INTAKE, SCORE_HISTOGRAM


def test_few_pairs_withhold_everything_matched():
    matching = {"n_pairs": 7, "n_no_exact_stratum": 163, "n_outside_caliper": 30, "n_pool_exhausted": 0}
    matched = effect("all", 90, "matched", (30, 60), n_treated=7, n_comparator=7)
    effects = table(EFFECTS, matched, effect("all", 90, "crude", (30, 60)))
    document = release(results(matching=matching, effects=effects), STUDY)
    assert document["matching"]["n_pairs"] is None
    assert (document["largest_smd"]["before"], document["largest_smd"]["after"]) == (None, None)
    crude, matched = document["effects"]
    assert matched["is_withheld"]
    assert matched["n_treated"] is None
    assert matched["rate_ratio"] is None
    assert not crude["is_withheld"]
    assert crude["n_treated"] == 200


@pytest.mark.parametrize(
    ("min_units", "told"),
    [
        (1, {"sex=U": "rare_or_constant", "hiv": "rare_or_constant", "sex=F": "collinear"}),
        (11, {"sex=U": "rare_or_constant", "hiv": "rare_or_constant", "sex=F": "collinear"}),
        (12, {"sex=U": "rare", "hiv": "constant", "sex=F": "collinear"}),  # from 1 to 11: may be 11
    ],
)
def test_a_reason_that_counts_from_1_to_10_units_is_told_with_none(min_units, told):
    study = STUDY.model_copy(update={"scoring": STUDY.scoring.model_copy(update={"min_units": min_units})})
    score = {"left_out": {"sex=U": "rare", "hiv": "constant", "sex=F": "collinear"}}
    assert release(results(score=score), study)["score"]["left_out"] == told


@pytest.mark.parametrize(("sampled", "told"), [(200, 200), (189, 189), (195, None), (7, None)])
def test_units_that_were_not_sampled_are_no_small_remainder(sampled, told):
    score = release(results(score={"n_sampled_treated": sampled}), STUDY)["score"]
    assert score["n_sampled_treated"] == told


def test_bins_of_the_score_are_rounded_and_small_ones_withheld():
    counted = [(0, 0), (1, 1), (10, 10), (11, 11), (16, 16), (17, 17), (95, 95), (95, 10)]  # the last: of few members
    bins = [
        {"phase": "after", "arm": "treated", "bin": number, "n_units": n_units, "n_members": n_members}
        for number, (n_units, n_members) in enumerate(counted)
    ]
    released = release(results(score_histogram=table(SCORE_HISTOGRAM, *bins)), STUDY)["score_histogram"]
    assert [row["n_units"] for row in released] == [0, None, None, 11, 11, 22, 99, None]


def fates(source: str, **counts: int) -> list[dict[str, Any]]:
    named = [(name.partition("_")[0], name.partition("_")[2], count) for name, count in counts.items()]
    return [
        {"delivery": "d", "source": source, "fate": fate, "rule": rule, "n_rows": count} for fate, rule, count in named
    ]


def test_intake_pools_small_fates_so_that_sums_do_not_tell():
    rows = fates("medical_claim", kept_sent=1000, merged_duplicate=40, quarantined_denied=3)
    released = release_intake(table(INTAKE, *rows), {"program_roster"})
    assert [(row["fates"], row["n_rows"]) for row in released["rows"]] == [
        (["kept: sent"], 1000),
        (["merged: duplicate", "quarantined: denied"], 43),
        (["in"], 1043),
    ]
    assert released["lines"][2].split()[1:] == ["43", "merged:", "duplicate", "+", "quarantined:", "denied"]


def test_a_roster_less_its_treated_members_does_not_count_those_of_another_program():
    """1,043 enrolments less 1,037 candidates: 6 are in other programs."""
    intake = table(INTAKE, *fates("program_roster", kept_sent=1043, merged_duplicate=21, quarantined_denied=3))
    told = [("kept: sent", 1045), ("merged: duplicate", 22), ("quarantined: denied", None), ("in", 1067)]
    delivered = release_intake(intake, {"program_roster"})["rows"]
    of_study = release(results(intake=intake), STUDY)["intake"]
    for rows in (delivered, of_study):
        assert [(*row["fates"], row["n_rows"]) for row in rows] == told


def test_names_that_look_like_ids_stop_the_release():
    dictionary = table(COVARIATE_DICTIONARY, about(1, "flag"))
    row = balance_row(1, "after", (30, 60), (0.2, 0.4)) | {"name": "member 20023344"}
    with pytest.raises(DataError, match="look like an id") as told:
        release(results(balance=table(BALANCE, row), dictionary=dictionary), STUDY)
    assert "20023344" not in str(told.value)


def test_a_study_that_found_nothing_is_a_document():
    steps = [*chain("treated", ("candidates", 0, 0)), *chain("comparator", ("candidates", 0, 0))]
    matching = {"n_pairs": 0, "n_no_exact_stratum": 0, "n_outside_caliper": 0, "n_pool_exhausted": 0}
    document = release(results(attrition=table(ATTRITION, *steps), matching=matching), STUDY)
    assert json.loads(json.dumps(document))["matching"]["n_pairs"] == 0
