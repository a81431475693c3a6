"""The columns of the files: Tuva's input layer v0.18.0, every column in its place, and the program's roster."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

DIAGNOSIS_COLUMNS = PROCEDURE_COLUMNS = 25
TYPES = {
    "varchar": pa.string(),
    "integer": pa.int32(),
    "number": pa.float64(),
    "float": pa.float64(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def _schema(columns: str) -> pa.Schema:
    """A schema from words `name` or `name:type`; text where no type is named."""
    pairs = (word.partition(":") for word in columns.split())
    return pa.schema([(name, TYPES[kind or "varchar"]) for name, _, kind in pairs])


def _numbered(name: str, n: int, kind: str = "varchar") -> str:
    return " ".join(f"{name}_{place}:{kind}" for place in range(1, n + 1))


_AMOUNTS = (
    "paid_amount:float allowed_amount:float charge_amount:float coinsurance_amount:float copayment_amount:float "
    "deductible_amount:float"
)
_ORIGIN = "data_source file_name file_date:date ingest_datetime:timestamp"

MEDICAL = _schema(f"""
    claim_id claim_line_number:integer claim_type person_id member_id payer plan claim_start_date:date
    claim_end_date:date claim_line_start_date:date claim_line_end_date:date admission_date:date discharge_date:date
    admit_source_code admit_type_code discharge_disposition_code place_of_service_code bill_type_code drg_code_type
    drg_code revenue_center_code service_unit_quantity:number hcpcs_code {_numbered("hcpcs_modifier", 5)} rendering_npi
    rendering_tin billing_npi billing_tin facility_npi paid_date:date {_AMOUNTS} total_cost_amount:float
    diagnosis_code_type {_numbered("diagnosis_code", DIAGNOSIS_COLUMNS)} {_numbered("diagnosis_poa", DIAGNOSIS_COLUMNS)}
    procedure_code_type {_numbered("procedure_code", PROCEDURE_COLUMNS)}
    {_numbered("procedure_date", PROCEDURE_COLUMNS, "date")} in_network_flag:boolean {_ORIGIN}
""")
PHARMACY = _schema(f"""
    claim_id claim_line_number:integer person_id member_id payer plan prescribing_provider_npi dispensing_provider_npi
    dispensing_date:date ndc_code quantity:integer days_supply:integer refills:integer paid_date:date {_AMOUNTS}
    in_network_flag:boolean {_ORIGIN}
""")
ELIGIBILITY = _schema(f"""
    person_id member_id subscriber_id gender race birth_date:date death_date:date death_flag:boolean
    enrollment_start_date:date enrollment_end_date:date payer payer_type plan original_reason_entitlement_code
    dual_status_code medicare_status_code enrollment_status hospice_flag institutional_snp_flag
    long_term_institutional_flag group_id group_name name_suffix first_name middle_name last_name social_security_number
    subscriber_relation address city state zip_code phone email ethnicity {_ORIGIN}
""")
ROSTER = _schema("person_id program enrolled_on:date left_on:date")
SCORES = _schema("""
    person_id arm index_date:date log_odds:float expected_imaging_comparator:float expected_imaging_treated:float
    has_hidden_cause:boolean
""")

TABLES = {
    "medical_claim": MEDICAL,
    "pharmacy_claim": PHARMACY,
    "eligibility": ELIGIBILITY,
    "program_roster": ROSTER,
}


def fill(schema: pa.Schema, columns: Mapping[str, pa.Array], n: int) -> pa.Table:
    """A table with the columns given and typed nulls for the others; coded columns stay dictionaries."""
    nulls = {kind: pa.nulls(n, kind) for kind in set(schema.types)}
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise KeyError(f"the layout has no column {', '.join(sorted(unknown))}")
    return pa.table({field.name: columns.get(field.name, nulls[field.type]) for field in schema})
