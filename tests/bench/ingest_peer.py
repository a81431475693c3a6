"""DuckDB writes the claim lines of Tuva Parquet files into sorted partitions: the floor under an ingest.

python -m tests.bench.ingest_peer CLAIMS OUT MEMBER_BUCKETS

The same files, the same columns in the same types but for codes, which stay text, the same partitions in the same order
inside. No rule is applied: no duplicates, reversals or late versions, no quarantine, no accounts, no keys checked.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

THREADS, MEMORY_GB = 2, 6
_DIAGNOSES = ", ".join(f"diagnosis_code_{place}" for place in range(1, 26))
_MODIFIERS = ", ".join(f"hcpcs_modifier_{place}" for place in range(1, 6))


def _code(name: str) -> str:
    return f"nullif(replace(upper(trim({name})), '.', ''), '')"


def _present(names: str) -> str:
    return f"list_filter([{', '.join(_code(name) for name in names.split(', '))}], lambda code: code IS NOT NULL)"


def _procedures() -> str:
    pairs = (
        f"struct_pack(code := {_code(f'procedure_code_{place}')}, "
        f"day := coalesce(procedure_date_{place}, claim_start_date))"
        for place in range(1, 26)
    )
    return f"list_filter([{', '.join(pairs)}], lambda one: one.code IS NOT NULL)"


def _cents(name: str) -> str:
    return f"CAST(round({name} * 100) AS BIGINT)"


_MEDICAL = f"""
    SELECT hash(person_id) AS member_key, hash(claim_id) AS claim_key, claim_id, claim_line_number AS line_number,
        lower(trim(claim_type)) AS claim_type, coalesce(claim_line_start_date, claim_start_date) AS service_date,
        coalesce(claim_line_end_date, claim_end_date) AS service_end_date, {_code("hcpcs_code")} AS procedure,
        {_present(_MODIFIERS)} AS modifiers, {_code("revenue_center_code")} AS revenue,
        trim(place_of_service_code) AS place, trim(bill_type_code) AS bill_type, {_present(_DIAGNOSES)} AS diagnoses,
        {_code("drg_code")} AS drg, {_procedures()} AS facility_procedures,
        {_cents("allowed_amount")} AS allowed_cents, {_cents("paid_amount")} AS paid_cents,
        hash(claim_id, claim_line_number, paid_amount, allowed_amount, hcpcs_code) AS version_hash
    FROM '{{claims}}/medical_claim/**/*.parquet'
"""
_PHARMACY = f"""
    SELECT hash(person_id) AS member_key, claim_id, claim_line_number AS line_number, dispensing_date AS service_date,
        {_code("ndc_code")} AS ndc, days_supply, quantity, {_cents("allowed_amount")} AS allowed_cents,
        {_cents("paid_amount")} AS paid_cents,
        hash(claim_id, claim_line_number, paid_amount, allowed_amount, ndc_code) AS version_hash
    FROM '{{claims}}/pharmacy_claim/**/*.parquet'
"""


def write_lines(claims: Path, out: Path, member_buckets: int) -> None:
    """Both tables, one after the other."""
    out.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}; SET memory_limit = '{MEMORY_GB}GB'")
        connection.execute(f"SET temp_directory = '{out / 'spilled'}'")
        for name, query in (("medical", _MEDICAL), ("pharmacy", _PHARMACY)):
            connection.execute(f"""
                COPY (
                    SELECT *, year(service_date) * 100 + month(service_date) AS service_period,
                        member_key % {member_buckets} AS member_bucket
                    FROM ({query.format(claims=claims)})
                    ORDER BY service_period, member_bucket, member_key, service_date
                ) TO '{out / name}' (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (service_period, member_bucket))
            """)


if __name__ == "__main__":
    started = time.perf_counter()
    write_lines(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    print(f"ingest: done in {time.perf_counter() - started:.1f} s", file=sys.stderr)
