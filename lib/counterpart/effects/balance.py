"""Balance of every covariate before and after matching, on the full population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from counterpart.effects.units import is_matched, label_sets
from counterpart.numerics.balance import FLAG_KINDS, ArmSums, compare_arms
from counterpart.small_frames import small_frame
from counterpart.tables import ARMS, BALANCE, COMPARATOR, TREATED, conform

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

BEFORE = "before"
AFTER = "after"
PHASES = (BEFORE, AFTER)
SUMS = ("n_nonzero", "total", "high_high", "high_low", "low_low")
WORD_BITS = 16
WORD = 1 << WORD_BITS


def summarise_balance(cohort: DataFrame, covariates: DataFrame, dictionary: DataFrame, matches: DataFrame) -> DataFrame:
    """Cohort (unit), covariates (unit x covariate, without zeros), dictionary, matches -> balance (covariate x phase).

    Before: all eligible units. After: the pairs. Every covariate of the dictionary has both rows, also if nobody has a
    value. What is not stored is zero and counts as such.

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
        )
    )
    return alike.groupBy("covariate_id").agg(*_by_phase_and_arm(*SUMS))


def _count_units(units: DataFrame) -> DataFrame:
    """Unit -> exactly one row: n by phase and arm."""
    alike = units.groupBy("arm", is_matched().alias("matched")).agg(F.count("*").alias("n"))
    return alike.agg(*_by_phase_and_arm("n"))


def _by_phase_and_arm(*names: str) -> list[Column]:
    """Sums of the columns over each phase and arm, named `<name>_<phase>_<arm>`."""
    belongs = {BEFORE: F.lit(True), AFTER: F.col("matched")}
    return [
        F.sum(F.when(belongs[phase] & (F.col("arm") == arm), F.col(name))).alias(f"{name}_{phase}_{arm}")
        for phase in PHASES
        for arm in ARMS
        for name in names
    ]


def _balance_row(sums: dict[str, Any], phase: str) -> list[Any]:
    """A covariate with its sums -> its row of BALANCE for the phase."""
    arms = {when: (_arm_sums(sums, when, TREATED), _arm_sums(sums, when, COMPARATOR)) for when in PHASES}
    treated, comparator = arms[phase]
    balance = compare_arms(treated, comparator, before=arms[BEFORE], is_flag=sums["kind"] in FLAG_KINDS)
    row = {
        "covariate_id": sums["covariate_id"],
        "name": sums["name"],
        "phase": phase,
        "n_treated": treated.n,
        "n_comparator": comparator.n,
        "n_nonzero_treated": int(sums[f"n_nonzero_{phase}_{TREATED}"]),
        "n_nonzero_comparator": int(sums[f"n_nonzero_{phase}_{COMPARATOR}"]),
        "mean_treated": balance.mean_treated,
        "mean_comparator": balance.mean_comparator,
        "smd": balance.smd,
        "variance_ratio": balance.variance_ratio,
    }
    return [row[name] for name in BALANCE.columns]


def _arm_sums(sums: dict[str, Any], phase: str, arm: str) -> ArmSums:
    n, total, high_high, high_low, low_low = (
        int(sums[f"{name}_{phase}_{arm}"]) for name in ("n", "total", "high_high", "high_low", "low_low")
    )
    return ArmSums(n, total, squares=high_high * WORD**2 + 2 * high_low * WORD + low_low)
