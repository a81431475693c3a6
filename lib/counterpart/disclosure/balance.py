"""Balance: means and standardised differences that tell neither who has something nor who was left unmatched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpart.disclosure.cells import may_show, rounded
from counterpart.disclosure.results import Sizes, plain
from counterpart.numerics.balance import FLAG_KINDS, fewest_members, find_imbalance
from counterpart.tables import ARMS

if TYPE_CHECKING:
    import pandas as pd

# A standardised difference of a covariate that few people have is told as "at most" this step or its multiple, up to a
# last one: of arms that are far apart there are few, and in small arms each step would be one count.
SMD_STEP = 0.1
LAST_STEP = 1.0
_COUNTED = (*FLAG_KINDS, "count")


def release_balance(balance: pd.DataFrame, dictionary: pd.DataFrame, sizes: Sizes) -> list[dict[str, Any]]:
    """BALANCE and its dictionary -> a row per covariate and phase.

    Means of flags and counts come from totals rounded to multiples of 11: exact ones would give away, level by level
    or before less after, how many people lack or have something. For the same reason their difference before matching
    is that of the shown means; after matching it is that of the exact ones, over the spread that the shown means before
    have. Then no number before matching is known better than to 11 counts, and none is known to be 1 to 10 more than
    its like after it.

    Where a count from 1 to 10 is involved the means are withheld and the standardised difference is told as an upper
    bound; so are further levels of such a category, for all levels add up to the arm, and the row after matching, for
    its difference is over a spread that is made of the counts before.
    """
    about = {row["covariate_id"]: row for row in dictionary.to_dict("records")}
    rows = balance.to_dict("records")
    before = {row["covariate_id"]: position for position, row in enumerate(rows) if row["phase"] == "before"}
    withheld = {
        position
        for position, row in enumerate(rows)
        if not all(
            sizes.of(arm, row["phase"]) is not None
            and _may_show_mean(row, arm, str(about[row["covariate_id"]]["kind"]))
            for arm in ARMS
        )
    }
    withheld |= _that_tell_by_complement(rows, about, withheld)
    withheld |= {at for at, row in enumerate(rows) if row["smd"] != 0 and before.get(row["covariate_id"]) in withheld}
    withheld |= _that_tell_by_complement(rows, about, withheld)
    return [
        _balance_row(row, about[row["covariate_id"]], rows[before.get(row["covariate_id"], at)], at not in withheld)
        for at, row in enumerate(rows)
    ]


def _that_tell_by_complement(
    rows: Sequence[Mapping[str, Any]], about: Mapping[Any, Mapping[str, Any]], withheld: set[int]
) -> set[int]:
    """Levels of a category to withhold beside the small ones: all levels add up to the size of the arm.

    Together the withheld levels of a category have no small count in either arm, so their sum tells none of them.
    """
    categories: dict[tuple[str, str], list[int]] = {}
    for position, row in enumerate(rows):
        if about[row["covariate_id"]]["kind"] == "category":
            column = str(row["name"]).partition("=")[0]
            categories.setdefault((column, str(row["phase"])), []).append(position)
    more: set[int] = set()
    for levels in categories.values():
        hidden = [level for level in levels if level in withheld]
        others = sorted((level for level in levels if level not in withheld), key=lambda level: _size(rows[level]))
        others = [level for level in others if _size(rows[level]) > 0]
        while hidden and others and not all(_may_show_total([rows[level] for level in hidden], arm) for arm in ARMS):
            hidden.append(others.pop(0))
        more |= set(hidden)
    return more


def _size(row: Mapping[str, Any]) -> int:
    return sum(int(row[f"n_nonzero_{arm}"]) for arm in ARMS)


def _may_show_total(levels: Sequence[Mapping[str, Any]], arm: str) -> bool:
    """Of some levels of a category: the members of all are at least as many as those of one, or as all units need."""
    n_units = sum(int(level[f"n_nonzero_{arm}"]) for level in levels)
    most = max(int(level[f"most_units_{arm}"]) for level in levels)
    n_members = max(int(level[f"n_members_nonzero_{arm}"]) for level in levels)
    return may_show(n_units) and may_show(max(n_members, fewest_members(n_units, most)))


def _may_show_mean(row: Mapping[str, Any], arm: str, kind: str) -> bool:
    n, n_nonzero = int(row[f"n_{arm}"]), int(row[f"n_nonzero_{arm}"])
    if not (may_show(n_nonzero) and may_show(int(row[f"n_members_nonzero_{arm}"]))):
        return False
    n_zero = n - n_nonzero
    n_members_zero = fewest_members(n_zero, int(row[f"most_units_{arm}"]))
    return kind not in FLAG_KINDS or (may_show(n_zero) and may_show(n_members_zero))


def _balance_row(
    row: Mapping[str, Any], about: Mapping[str, Any], before: Mapping[str, Any], is_shown: bool
) -> dict[str, Any]:
    kind = str(about["kind"])
    smd = _difference(row, before, kind) if is_shown else plain(row["smd"])
    is_far = smd is not None and abs(smd) > LAST_STEP
    means = {f"mean_{arm}": plain(_mean(row, arm, kind), 3) if is_shown else None for arm in ARMS}
    return {
        "name": row["name"],
        "label": about["label"],
        "kind": kind,
        "phase": row["phase"],
        "is_withheld": not is_shown,
        **means,
        "smd": round(smd, 3) if is_shown and smd is not None else None,
        "smd_at_most": None if is_shown or smd is None or is_far else _step_above(smd),
        "smd_more_than": LAST_STEP if is_far and not is_shown else None,
        "variance_ratio": plain(row["variance_ratio"], 2) if is_shown else None,
    }


def _mean(row: Mapping[str, Any], arm: str, kind: str) -> float | None:
    """The mean that is shown, before it is cut to three digits."""
    n, mean = int(row[f"n_{arm}"]), plain(row[f"mean_{arm}"])
    if mean is None or not n:
        return None
    if kind in FLAG_KINDS and mean == 1:
        return 1.0  # that nobody lacks it may be shown; the nearest multiple of 11 may be more than the arm
    return rounded(round(mean * n)) / n if kind in _COUNTED else mean


def _difference(row: Mapping[str, Any], before: Mapping[str, Any], kind: str) -> float | None:
    """The standardised difference of a shown row."""
    smd, spread, shown_spread = plain(row["smd"]), plain(row["spread"]), _shown_spread(before, kind)
    if kind not in _COUNTED or smd is None or not spread or not shown_spread:
        return smd
    if row["phase"] != "before":
        return smd * spread / shown_spread
    treated, comparator = (_mean(row, arm, kind) for arm in ARMS)
    return None if treated is None or comparator is None else (treated - comparator) / shown_spread


def _shown_spread(before: Mapping[str, Any], kind: str) -> float | None:
    """Of a flag as its shown means before matching have it; of a count the exact one, which tells no total."""
    shares = [_mean(before, arm, kind) for arm in ARMS]
    if kind not in FLAG_KINDS or before["phase"] != "before":
        return plain(before["spread"])
    known = [share * (1 - share) for share in shares if share is not None]
    return math.sqrt(sum(known) / len(known)) if len(known) == len(ARMS) else None


def _step_above(smd: float) -> float:
    return round(SMD_STEP * max(1, math.ceil(abs(smd) / SMD_STEP)), 1)


def largest_smd(balance: pd.DataFrame, released: Sequence[Mapping[str, Any]], sizes: Sizes) -> dict[str, Any]:
    """BALANCE and its released rows -> before, after: the largest absolute standardised difference, whoever has it.

    Where a withheld covariate has it, its bound (`before_is_bound`, `after_is_bound`), or the last step, which it
    exceeds (`before_is_exceeded`, `after_is_exceeded`): the value itself would tell the small counts it is made of.
    None where an arm's size is withheld. `before_undefined`, `after_undefined` name the covariates that differ without
    any spread in either arm: worse than every number.
    """
    rows = {(row["name"], row["phase"]): row for row in released}
    told = balance.assign(smd=_as_released(balance, rows))
    largest: dict[str, Any] = {}
    for phase in ("before", "after"):
        worst = find_imbalance(told, phase)
        value, is_bound, is_exceeded = None, False, False
        if worst.name is not None and all(sizes.of(arm, phase) is not None for arm in ARMS):
            row = rows[worst.name, phase]
            is_exceeded = row["smd_more_than"] is not None
            is_bound = row["smd_at_most"] is not None
            value = row["smd_more_than"] if is_exceeded else row["smd_at_most"] if is_bound else abs(row["smd"])
        largest |= {
            phase: value,
            f"{phase}_is_bound": is_bound,
            f"{phase}_is_exceeded": is_exceeded,
            f"{phase}_undefined": list(worst.undefined),
        }
    return largest


def _as_released(balance: pd.DataFrame, rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[float | None]:
    """The differences as they are shown; of withheld rows as they are, for nobody sees more than their bound."""
    shown = [rows[name, phase]["smd"] for name, phase in zip(balance["name"], balance["phase"], strict=True)]
    return [smd if here is None else here for smd, here in zip(balance["smd"], shown, strict=True)]
