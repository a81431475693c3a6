"""Rows of the three claims tables as arrays: claims spread over their lines, fills, spans; amounts in cents."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.billing import OFFICE, Claims
from counterpart.synthetic.catalogue import NONE
from counterpart.synthetic.clock import Bools, Ints
from counterpart.synthetic.events import Events, expand
from counterpart.synthetic.members import Spans

SomeRows = TypeVar("SomeRows", bound="Rows")
NULL_DAY = np.int32(-(2**30))
N_PROVIDERS, N_HOSPITALS = 1_500, 160
# What contracts pay of the fee schedule, in percent: discrete, as contracts are.
CONTRACTS = np.array([78, 85, 92, 97, 100, 108, 119, 137])
CHARGED_PERCENT = 240
COPAYMENT_CENTS = 2_000
COINSURANCE_PERCENT = np.array([10, 20, 15, 30, 5])  # by plan
DAYS_TO_PAYMENT = (14, 60)


@dataclass(frozen=True)
class Rows:
    """A table as columns of equal length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def take(self: SomeRows, places: NDArray[Any]) -> SomeRows:
        """The rows at the places given, or where a mask is true."""
        return type(self)(*(getattr(self, field.name)[places] for field in fields(self)))

    def having(self: SomeRows, **columns: NDArray[Any] | int) -> SomeRows:
        """The same rows with some columns replaced; a scalar stands for every row."""
        return type(self)(
            *(
                np.broadcast_to(np.asarray(columns[field.name], getattr(self, field.name).dtype), len(self))
                if field.name in columns
                else getattr(self, field.name)
                for field in fields(self)
            )
        )

    @classmethod
    def joined(cls: type[SomeRows], parts: list[SomeRows]) -> SomeRows:
        """All rows of the parts."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class Paid(Rows):
    """Columns of every claim line: who, which claim and line, when, and cents. -1 is a null person, claim or line.

    `style` says how codes are written: 0 as they should be.
    """

    member: Ints
    claim: Ints
    line: Ints
    day: Ints
    paid_day: Ints
    plan: Ints
    provider: Ints
    allowed: Ints
    paid: Ints
    charge: Ints
    coinsurance: Ints
    copayment: Ints
    style: Ints


@dataclass(frozen=True)
class MedicalLines(Paid):
    """Medical claim lines; `diagnoses` has shape (n, 3)."""

    end_day: Ints
    setting: Ints
    hospital: Ints
    drg: Ints
    surgical: Ints
    diagnoses: Ints
    procedure: Ints
    modifier_1: Ints
    modifier_2: Ints
    revenue: Ints
    units: Ints


@dataclass(frozen=True)
class PharmacyLines(Paid):
    """Fills."""

    product: Ints


@dataclass(frozen=True)
class EligibilityRows(Rows):
    """Spans of cover as the insurer lists them; `NULL_DAY` is a null date, -1 a null person."""

    member: Ints
    start: Ints
    end: Ints
    plan: Ints
    state: Ints


@dataclass(frozen=True)
class RosterRows(Rows):
    """Enrolments; `left` is `NEVER` for those who stay. `is_ours` tells the program under study from the other one."""

    member: Ints
    enrolled: Ints
    left: Ints
    is_ours: Bools


def spread_claims(rng: np.random.Generator, claims: Claims, spans: Spans) -> MedicalLines:
    """Claims (one row each) -> their lines, numbered within the claim from 1, claims numbered in their order from 0."""
    which, place = expand(claims.n_lines)
    n = len(claims)
    provider = (rng.random(n) ** 2.5 * N_PROVIDERS).astype(np.int16)
    hospital = (rng.random(n) ** 2.0 * N_HOSPITALS).astype(np.int16)
    plan = spans.plan[spans.row_on(claims.member, claims.day)]
    paid_day = claims.end_day + rng.integers(*DAYS_TO_PAYMENT, n)
    fee = np.where(
        claims.procedure == NONE,
        codes.REVENUE_CENTER_FEES.cents[claims.revenue],
        codes.PROCEDURE_FEES.cents[claims.procedure],
    )
    copays = (place == 0) & (claims.setting[which] == OFFICE)
    cents = _amounts(fee * claims.units, provider[which], plan[which], copays)
    return MedicalLines(
        member=claims.member[which], claim=which, line=(place + 1).astype(np.int32), day=claims.day[which],
        paid_day=paid_day[which].astype(np.int32), plan=plan[which], provider=provider[which], **cents,
        style=np.zeros(len(which), dtype=np.int8), end_day=claims.end_day[which], setting=claims.setting[which],
        hospital=hospital[which], drg=claims.drg[which], surgical=claims.surgical[which],
        diagnoses=claims.diagnoses[which], procedure=claims.procedure, modifier_1=claims.modifier_1,
        modifier_2=claims.modifier_2, revenue=claims.revenue, units=claims.units,
    )  # fmt: skip


def spread_fills(rng: np.random.Generator, fills: Events, spans: Spans) -> PharmacyLines:
    """Fills -> claim lines, one each, by member and day."""
    order = np.lexsort((fills.code, fills.day, fills.member))
    member, day, product = fills.member[order], fills.day[order], fills.code[order]
    n = len(member)
    provider = (rng.random(n) ** 2.5 * N_PROVIDERS).astype(np.int16)
    plan = spans.plan[spans.row_on(member, day)]
    cents = _amounts(codes.DRUG_FEES.cents[product], provider, plan, np.zeros(n, dtype=bool))
    return PharmacyLines(
        member=member, claim=np.arange(n), line=np.ones(n, dtype=np.int32), day=day,
        paid_day=(day + rng.integers(*DAYS_TO_PAYMENT, n)).astype(np.int32), plan=plan, provider=provider, **cents,
        style=np.zeros(n, dtype=np.int8), product=product,
    )  # fmt: skip


def list_spans(spans: Spans) -> EligibilityRows:
    """Spans of cover -> rows of eligibility, one each."""
    return EligibilityRows(spans.member, spans.start, spans.end, spans.plan, spans.state)


def _amounts(fee: Ints, provider: Ints, plan: Ints, copays: Bools) -> dict[str, Ints]:
    """Cents of a line from its fee: whole numbers throughout, so that sums never depend on order."""
    allowed = np.maximum(fee.astype(np.int64) * CONTRACTS[provider % len(CONTRACTS)] // 100, 1)
    coinsurance = allowed * COINSURANCE_PERCENT[plan] // 100
    copayment = np.where(copays, np.minimum(COPAYMENT_CENTS, allowed - coinsurance), 0)
    return {
        "allowed": allowed,
        "paid": allowed - coinsurance - copayment,
        "charge": fee.astype(np.int64) * CHARGED_PERCENT // 100,
        "coinsurance": coinsurance,
        "copayment": copayment,
    }
