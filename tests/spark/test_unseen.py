"""Events that no claim shows are told, with the code systems that the claims have instead."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F
from tests.studies import small_study

from counterpart.codes import CodeLibrary, encode
from counterpart.events import build_member_days, plan_events
from counterpart.protocol import ALL_CLAIMS
from counterpart.stages.unseen import events_seen, find_systems, tell_unseen
from counterpart.tables import MEDICAL, PHARMACY

pytestmark = pytest.mark.spark

SETS = {
    "back_pain": "icd9cm,7242",
    "cancer": "icd10cm,C34",
    "imaging": "hcpcs,72148",
    "therapy": "hcpcs,97110",
    "opioids": "ndc,99001010101",
}


@pytest.fixture
def library(tmp_path) -> CodeLibrary:
    for name, row in SETS.items():
        (tmp_path / f"{name}.csv").write_text(f"system,code,valid_from,valid_to,source\n{row},,,test\n")
    return CodeLibrary.load([tmp_path])


def lines(frame, diagnosis: str, system: str):
    codes = f"{encode('hcpcs', '72148')} | 11 | [{encode(system, diagnosis)}]"
    text = f"member_key | claim_key | service_date | procedure | place | diagnoses\n 1 | 1 | 2020-03-01 | {codes}"
    return frame(text, MEDICAL.ddl)


def test_events_without_a_day_are_told_by_the_systems_of_their_codes(frame, library):
    plan = plan_events(small_study(), library, [*SETS, ALL_CLAIMS])
    medical, fills = lines(frame, "M545", "icd10cm"), frame("member_key | ndc\n", PHARMACY.ddl)
    seen = events_seen(plan, build_member_days(medical, fills, plan, None))
    assert seen == {"imaging", ALL_CLAIMS}
    assert tell_unseen(plan, seen, lambda: find_systems(medical, fills)) == [
        "No claim that was looked at shows back_pain. The codes asked for are icd9cm, of which the claims have none: "
        "theirs are hcpcs, icd10cm, place.",
        "No claim that was looked at shows cancer. The codes asked for are icd10cm.",
        "No claim that was looked at shows therapy. The codes asked for are hcpcs.",
        "No claim that was looked at shows opioids. The codes asked for are ndc, of which the claims have none: "
        "theirs are hcpcs, icd10cm, place.",
    ]
    assert tell_unseen(plan, set(SETS), lambda: pytest.fail("nothing is unseen, and the lines were read")) == []


def test_no_claims_have_no_codes(frame, library):
    plan = plan_events(small_study(), library, ["cancer"])
    nothing, fills = frame("member_key | place\n", MEDICAL.ddl), frame("member_key | ndc\n", PHARMACY.ddl)
    (told,) = tell_unseen(plan, set(), lambda: find_systems(nothing, fills))
    assert told.endswith("of which the claims have none: theirs are no codes at all.")


def test_a_list_has_the_systems_of_both_its_ends(frame):
    codes = [encode("icd9cm", "7242"), encode("icd10cm", "M545")]
    medical = frame(f"member_key | diagnoses\n 1 | {codes}\n 2 |\n 3 | []", MEDICAL.ddl)
    fills = frame(f"member_key | ndc\n 1 | {encode('ndc', '99001010101')}", PHARMACY.ddl)
    assert find_systems(medical, fills) == {"icd9cm", "icd10cm", "ndc"}
    done = F.struct(F.lit(encode("icd10pcs", "0SG0071")).alias("code"), F.lit("2020-01-01").cast("date").alias("day"))
    more = {
        "specialty": F.lit("20"),
        "bill_type": F.lit("111"),
        "modifiers": F.array(F.lit("GP")),
        "drg": F.lit(encode("drg", "39")),
        "facility_procedures": F.array(done),
    }
    told = medical.withColumns({name: F.when(F.col("member_key") == 2, column) for name, column in more.items()})
    assert find_systems(told, fills) == {
        *("icd9cm", "icd10cm", "ndc", "specialty", "bill_type", "modifier", "drg", "icd10pcs"),
    }
