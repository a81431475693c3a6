"""The one door: a finished study's results -> the document that report, ledger and scheduler may see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.balance import largest_smd, release_balance
from counterpart.disclosure.cells import may_show, shown
from counterpart.disclosure.counted import Counted
from counterpart.disclosure.estimates import release_effects
from counterpart.disclosure.flow import release_attrition, release_matching
from counterpart.disclosure.intake import release_study_intake
from counterpart.disclosure.profiles import release_event_time, release_histogram
from counterpart.disclosure.results import Sizes, StudyResults, plain
from counterpart.disclosure.text import is_label
from counterpart.errors import DataError
from counterpart.tables import SMALLEST_SHOWN

if TYPE_CHECKING:
    from counterpart.protocol import Study


def release(results: StudyResults, study: Study, shared: Collection[frozenset[str]]) -> dict[str, Any]:
    """Everything of a study that may leave the site, as plain values (JSON). `shared`: events with codes in common.

    protocol: the study document. attrition: by arm, rows {criteria, n_excluded, n_remaining, n_members_remaining}.
    matching, score: what the two stages found. balance, score_histogram, effects, event_time: lists of rows (see the
    functions that release them). largest_smd: see the function. intake: source rows by fate, rounded. run: versions
    and keys.

    A number that is None is withheld or does not exist. DataError where a name looks like an id or a person's date.
    """
    attrition, sizes = release_attrition(results.attrition, results.matching)
    _require_all_units(results)
    counted = Counted(study.outcomes.outcomes, shared)
    effects = release_effects(results.effects, counted, sizes, study.outcomes.confidence)
    balance = release_balance(results.balance, results.dictionary, sizes)
    document = {
        "protocol": study.model_dump(mode="json"),
        "attrition": attrition,
        "matching": release_matching(results.matching, sizes, attrition["treated"]),
        "score": _release_score(results.score, sizes, study.scoring.min_units),
        "balance": balance,
        "largest_smd": largest_smd(results.balance, balance, sizes),
        "score_histogram": release_histogram(results.score_histogram, sizes),
        "effects": effects,
        "event_time": release_event_time(results.event_time, effects, counted, sizes),
        "intake": release_study_intake(results.intake),
        "run": dict(results.run),
    }
    _refuse_ids([row["name"] for row in balance])
    return document


def _require_all_units(results: StudyResults) -> None:
    """Effects and balance are of all eligible units and of all pairs; DataError if a unit was lost on the way."""
    eligible = {
        arm: int(steps.sort_values("step")["n_remaining"].iloc[-1]) for arm, steps in results.attrition.groupby("arm")
    }
    n_pairs = int(results.matching.get("n_pairs", 0))
    for name, rows in (("effects", results.effects), ("balance", results.balance)):
        is_matched = rows["phase"].isin(("matched", "after"))
        for arm, n_eligible in eligible.items():
            counted = rows[f"n_{arm}"].astype(int)
            if not (counted[is_matched] == n_pairs).all() or not (counted[~is_matched] == n_eligible).all():
                raise DataError(f"{name} of the {arm} arm do not count the units that are eligible and matched")


def _release_score(score: Mapping[str, Any], sizes: Sizes, min_units: int) -> dict[str, Any]:
    """Diagnostics of the propensity model; its counts are those of the arms, shown or not."""
    are_shown = None not in sizes.eligible.values()
    return {
        "n_treated": sizes.eligible.get("treated"),
        "n_comparators": sizes.eligible.get("comparator"),
        "n_sampled_treated": _of_sample(score, "n_sampled_treated", sizes.eligible.get("treated")),
        "n_sampled_comparators": _of_sample(score, "n_sampled_comparators", sizes.eligible.get("comparator")),
        "c_statistic": plain(score.get("c_statistic"), 3) if are_shown else None,
        "converged": score.get("converged"),
        "n_iterations": score.get("n_iterations"),
        "left_out": {name: _reason(why, min_units) for name, why in score.get("left_out", {}).items()},
        "separated": list(score.get("separated", ())),
        "warnings": list(score.get("warnings", ())),
    }


def _reason(why: str, min_units: int) -> str:
    """Where fewer than 11 units are too few, `rare` is a count from 1 to 10: it is told as one with none and all."""
    return "rare_or_constant" if why in ("rare", "constant") and min_units <= SMALLEST_SHOWN else why


def _of_sample(score: Mapping[str, Any], name: str, eligible: int | None) -> int | None:
    """Sampled units of an arm; None where these or the others are few."""
    if name not in score or eligible is None or not may_show(eligible - int(score[name])):
        return None
    return shown(int(score[name]))


def _refuse_ids(names: list[str]) -> None:
    suspicious = [position for position, name in enumerate(names) if not is_label(name)]
    if suspicious:
        raise DataError(
            f"{len(suspicious)} covariate names look like an id or a date of a person (position {suspicious[0] + 1} of "
            "the dictionary is the first); nothing was released"
        )
