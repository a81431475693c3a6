"""Prescription drug events of Medicare's Part D: the columns that all of CMS's files of them have, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from counterpart.codes import ndc_column
from counterpart.sources import fields, unreadable

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def read_event(raw: DataFrame, person: str) -> dict[str, Column]:
    """An event of the person in that column, as a fill. Its cost is what plan and patient paid together."""
    filled_on, product = fields.date(raw, "SRVC_DT"), fields.code(raw, "PROD_SRVC_ID")
    cost, ndc = fields.cents(raw, "TOT_RX_CST_AMT"), ndc_column(product)
    return {
        "person_id": fields.text(raw, person),
        "claim_id": fields.text(raw, "PDE_ID"),
        "line_number": F.lit(1),
        "service_date": filled_on,
        "service_end_date": filled_on,
        "ndc": ndc,
        "days_supply": fields.whole_number(raw, "DAYS_SUPLY_NUM"),
        "quantity": fields.quantity(raw, "QTY_DSPNSD_NUM"),
        "allowed_cents": cost,
        "paid_cents": cost - fields.cents(raw, "PTNT_PAY_AMT"),
        "is_mended": fields.needs_mending("ndc", product),
        "has_unreadable_date": fields.has_unreadable_date(raw, "SRVC_DT"),
        "has_unreadable_amount": unreadable.has_unreadable_amount(raw, "TOT_RX_CST_AMT", "PTNT_PAY_AMT"),
        "has_unreadable_code": unreadable.is_unreadable_code(product, ndc),
        "has_unreadable_supply": unreadable.has_unreadable_supply(raw, "DAYS_SUPLY_NUM", "QTY_DSPNSD_NUM"),
    }
