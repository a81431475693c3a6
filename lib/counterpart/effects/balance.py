"""Balance of every covariate before and after matching, on the full population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from counterpart.effects.units import is_matched, label_sets
from counterpart.numerics.balance import FLAG_KINDS, ArmSums, compare_arms, fewest_members, pooled_spread
from counterpart.small_frames import small_frame
from counterpart.tables import ARMS, BALANCE, COMPARATOR, TREATED, conform

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

BEFORE = "before"
AFTER = "after"
PHASES = (BEFORE, AFTER)
SUMS = ("n_nonzero", "total", "high_high", "high_low", "low_low")
UNITS = ("n", "most_units")
WORD_BITS = 16
WORD = 1 << WORD_BITS


def summarise_balance(cohort: DataFrame, covariates: DataFrame, dictionary: DataFrame, matches: DataFrame) -> DataFrame:
    """Cohort (unit), covariates (unit x covariate, without zeros), dictionary, matches -> balance (covariate x phase).

    Before: all eligible units. After: the pairs. Every covariate of the dictionary has both rows, also if nobody has a
    value. What is not stored is zero and counts as such.

    Members are told apart by a hash of 6 bits: of many it counts fewer, and never more than there are. To count them
    all, the covariates of all units would have to be brought together by member.

    Cost: `covariates` is joined to its units by unit_id and aggregated at once to at most 4 rows a covariate; the
    covariates (hundreds) are finished on the driver with exact integers.
    """
    units = label_sets(cohort, matches)
    sums = dictionary.join(_sum_values(units, covariates), "covariate_id", how="left")
    counted = sums.crossJoin(_count_units(units)).na.fill(0)  # one row of counts: nothing multiplies
    rows = [_balance_row(sums, phase) for sums in counted.toArrow().to_pylist() for phase in PHASES]
    return conform(small_frame(cohort.sparkSession, rows, BALANCE.ddl), BALANCE)


def _sum_values(units: DataFrame, covariates: DataFrame) -> DataFrame:
    """Unit x covariate -> covariate: `SUMS` by phase and arm.

    The square of an amount in cents outgrows BIGINT when summed, and decimals are ten times slower. So a value is
    cut in two words, value = high * `WORD` + low, and the three products of its square are summed apart.
    """
    high = F.shiftright("value", WORD_BITS)
    low = F.col("value").bitwiseAND(WORD - 1)
    alike = (
        covariates.join(units, "unit_id", how="inner")
        .groupBy("covariate_id", "arm", is_matched().alias("matched"))
        .agg(
            F.count(F.when(F.col("value") != 0, 1)).alias("n_nonzero"),
            F.sum("value").alias("total"),
            F.sum(high * high).alias("high_high"),
            F.sum(high * low).alias("high_low"),
            F.sum(low * low).alias("low_low"),
            F.bit_or(F.when(F.col("value") != 0, _bit_of("member_key"))).alias("members"),
        )
    )
    seen = _by_phase_and_arm("members", merge=lambda members: F.bit_count(F.bit_or(members)).cast("bigint"))
    return alike.groupBy("covariate_id").agg(*_by_phase_and_arm(*SUMS), *seen)


def _bit_of(member_key: str) -> Column:
    """One of 64 bits, that of the member: the bits of several are at most as many as they are."""
    return F.expr(f"shiftleft(1L, cast(pmod(xxhash64({member_key}), 64) as int))")


def _count_units(units: DataFrame) -> DataFrame:
    """Unit -> exactly one row: by phase and arm the units, and the most that one member has."""
    own = units.groupBy("member_key", "arm").agg(
        F.count("*").alias(f"n_{BEFORE}"), F.count_if(is_matched()).alias(f"n_{AFTER}")
    )
    told = {"n": F.sum, "most_units": F.max}
    return own.agg(
        *[
            told[name](F.when(F.col("arm") == arm, F.col(f"n_{phase}"))).alias(f"{name}_{phase}_{arm}")
            for phase in PHASES
            for arm in ARMS
            for name in UNITS
        ]
    )


def _by_phase_and_arm(*names: str, merge: Callable[[Column], Column] = F.sum) -> list[Column]:
    """Sums (or another merger) of the columns over each phase and arm, named `<name>_<phase>_<arm>`."""
    belongs = {BEFORE: F.lit(True), AFTER: F.col("matched")}
    return [
        merge(F.when(belongs[phase] & (F.col("arm") == arm), F.col(name))).alias(f"{name}_{phase}_{arm}")
        for phase in PHASES
        for arm in ARMS
        for name in names
    ]


def _balance_row(sums: dict[str, Any], phase: str) -> list[Any]:
    """A covariate with its sums -> its row of BALANCE for the phase."""
    arms = {when: (_arm_sums(sums, when, TREATED), _arm_sums(sums, when, COMPARATOR)) for when in PHASES}
    treated, comparator = arms[phase]
    is_flag = sums["kind"] in FLAG_KINDS
    balance = compare_arms(treated, comparator, before=arms[BEFORE], is_flag=is_flag)
    row: dict[str, Any] = {"covariate_id": sums["covariate_id"], "name": sums["name"], "phase": phase}
    for arm in ARMS:
        n_nonzero, most = (int(sums[f"{name}_{phase}_{arm}"]) for name in ("n_nonzero", "most_units"))
        told_apart = int(sums[f"members_{phase}_{arm}"])
        row |= {
            f"n_{arm}": int(sums[f"n_{phase}_{arm}"]),
            f"n_nonzero_{arm}": n_nonzero,
            f"n_members_nonzero_{arm}": max(told_apart, fewest_members(n_nonzero, most)),
            f"most_units_{arm}": most,
        }
    row |= {
        "mean_treated": balance.mean_treated,
        "mean_comparator": balance.mean_comparator,
        "spread": pooled_spread(arms[BEFORE], is_flag),
        "smd": balance.smd,
        "variance_ratio": balance.variance_ratio,
    }
    return [row[name] for name in BALANCE.columns]


def _arm_sums(sums: dict[str, Any], phase: str, arm: str) -> ArmSums:
    n, total, high_high, high_low, low_low = (
        int(sums[f"{name}_{phase}_{arm}"]) for name in ("n", "total", "high_high", "high_low", "low_low")
    )
    return ArmSums(n, total, squares=high_high * WORD**2 + 2 * high_low * WORD + low_low)
