"""Bad rows of a delivery in Tuva's layout, and the fate each must get.

How a row is written: the values that differ from a good row's, as they stand in the file. `+` is put behind the line,
`-` says how many fields are cut off its end, `=` stands instead of it, `again` is a second line that differs so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bad:
    """One kind. `where` is a document, `files`, or the delivery and table of a row."""

    where: str
    kind: str
    given: Any
    gets: str
    holds: Mapping[str, Any] = field(default_factory=dict)


BROKEN = "quarantined broken_line"
NO_KEY, NO_DATE, NO_ID = (f"quarantined {rule}" for rule in ("null_key", "impossible_date", "unreadable_id"))
STRANGER = "quarantined unknown_member"
KEPT, MENDED = (f"kept {rule}" for rule in ("as_sent", "mended"))
NO_AMOUNT, NO_CODE, NO_SUPPLY = (f"kept unreadable_{what}" for what in ("amount", "code", "supply"))
DAY = "claim_start_date"
ICD9 = {"diagnosis_code_type": "icd-9-cm"}

LINES = [
    Bad("tuva.medical_claim", *case)
    for case in (
        ("nothing wrong", {}, KEPT, {"paid_cents": 8000}),
        ("a field too many", {"+": ",x"}, BROKEN),
        ("a comma that is not quoted", {"claim_type": "Smith, John"}, BROKEN),
        ("fields missing at the end", {"-": 3}, BROKEN),
        ("half a line", {"=": "ann,half a li"}, BROKEN),
        ("a line of one word", {"=": "EOF"}, BROKEN),
        ("a trailer with a count", {"=": "TRAILER|000123"}, BROKEN),
        ("the heading again", {"=": "heading"}, "quarantined repeated_heading"),
        ("tabs in one line", {"=": "ann\tx\t1"}, BROKEN),
        ("a line of commas", {"=": "," * 17}, NO_KEY),
        ("a line break in a quoted field", {"claim_type": '"two\nlines"'}, f"{BROKEN}, {BROKEN}"),
        ("quotation marks in a quoted field", {"claim_id": '"5"" x"'}, KEPT, {"claim_id": '5" x'}),
        ("a comma in a quoted field", {"claim_id": '"5,x"'}, KEPT, {"claim_id": "5,x"}),
        ("a quotation mark that is never closed", {"claim_id": '"open'}, BROKEN),
        ("a quotation mark inside a field", {"claim_id": 'q"x'}, KEPT, {"claim_id": 'q"x'}),
        ("a quotation mark before the last field", {"diagnosis_code_1": '"M545'}, KEPT),
        ("a NUL byte", {"claim_id": "a\0b"}, KEPT, {"claim_id": "a\0b"}),
        ("control characters", {"claim_id": "a\x01\x07b"}, KEPT, {"claim_id": "a\x01\x07b"}),
        ("no person", {"person_id": ""}, NO_KEY),
        ("a person of blanks", {"person_id": "   "}, NO_KEY),
        ("a person of quoted nothing", {"person_id": '""'}, NO_KEY),
        ("NULL for a person", {"person_id": "NULL"}, NO_KEY),
        ("nan for a person", {"person_id": "nan"}, NO_KEY),
        ("N/A for a claim", {"claim_id": "N/A"}, NO_KEY),
        (r"\N for a claim", {"claim_id": "\\N"}, NO_KEY),
        ("no claim", {"claim_id": ""}, NO_KEY),
        ("no line number", {"claim_line_number": ""}, NO_KEY),
        ("a line number in words", {"claim_line_number": "one"}, NO_KEY),
        ("a line number beyond an int", {"claim_line_number": "99999999999"}, NO_KEY),
        ("half a line number", {"claim_line_number": "1.5"}, NO_KEY),
        ("a line number as a float", {"claim_line_number": "1.0"}, KEPT, {"line_number": 1}),
        ("a line number in Arabic digits", {"claim_line_number": "\u0661"}, KEPT, {"line_number": 1}),
        ("blanks behind a person", {"person_id": "ann   "}, KEPT),
        ("a tab behind a person", {"person_id": "ann\t"}, STRANGER),
        ("another case of a person", {"person_id": "ANN"}, STRANGER),
        ("leading zeros kept", {"person_id": "007"}, KEPT),
        ("leading zeros lost", {"person_id": "7"}, STRANGER),
        ("a person as a float", {"person_id": "7.0"}, STRANGER),
        ("a person in a spreadsheet's way", {"person_id": "1.23457E+11"}, NO_ID),
        ("a claim in a spreadsheet's way", {"claim_id": "2E+15"}, NO_ID),
        ("a person in latin-1", {"person_id": "M\udcfcller"}, NO_ID),
        ("a person in UTF-8", {"person_id": "Z\u00f6e"}, STRANGER),
        ("nobody", {"person_id": "nobody"}, STRANGER),
        ("a person whose cover was rejected", {"person_id": "rejected"}, STRANGER),
        ("no date", {DAY: ""}, NO_KEY),
        ("30 February", {DAY: "2021-02-30"}, NO_DATE),
        ("29 February of no leap year", {DAY: "2021-02-29"}, NO_DATE),
        ("29 February", {DAY: "2020-02-29"}, KEPT, {"service_date": "2020-02-29"}),
        ("month 13", {DAY: "2021-13-01"}, NO_DATE),
        ("an American date", {DAY: "3/1/2021"}, NO_DATE),
        ("a date of two digits' year", {DAY: "21-03-01"}, NO_DATE),
        ("a compact date", {DAY: "20210301"}, KEPT, {"service_date": "2021-03-01"}),
        ("a compact date as a float", {DAY: "20210301.0"}, NO_DATE),
        ("a compact date of zeros", {DAY: "00000000"}, NO_DATE),
        ("a named month", {DAY: "01-MAR-2021"}, KEPT, {"service_date": "2021-03-01"}),
        ("a day of SAS", {DAY: "01MAR2021"}, KEPT, {"service_date": "2021-03-01"}),
        ("a month of no name", {DAY: "01-XXX-2021"}, NO_DATE),
        ("a time zone", {DAY: "2021-03-01T23:30:00-08:00"}, KEPT, {"service_date": "2021-03-01"}),
        ("a time", {DAY: "2021-03-01 23:59:59"}, KEPT, {"service_date": "2021-03-01"}),
        ("a serial number of Excel", {DAY: "44256"}, NO_DATE),
        ("seconds since 1970", {DAY: "1614556800"}, NO_DATE),
        ("NULL for a date", {DAY: "NULL"}, NO_DATE),
        ("the year 1", {DAY: "0001-01-01"}, NO_DATE),
        ("the year 1899", {DAY: "1899-12-31"}, NO_DATE),
        ("the year 9999", {DAY: "9999-12-31"}, NO_DATE),
        ("the year 32767", {DAY: "32767-01-01"}, NO_DATE),
        ("after the delivery", {DAY: "2021-10-16"}, NO_DATE),
        ("an end before the start", {"claim_end_date": "2021-02-28"}, NO_DATE),
        ("an end that is no date", {"claim_end_date": "soon"}, NO_DATE),
        ("before birth", {DAY: "1980-05-04"}, NO_DATE),
        ("long after death", {"person_id": "old", DAY: "2020-07-31"}, "quarantined after_death"),
        ("soon after death", {"person_id": "old", DAY: "2020-07-30"}, KEPT),
        ("a day of payment that is none", {"paid_date": "soon"}, NO_DATE),
        ("a correction paid in month 13", {"again": {"paid_date": "2021-13-01"}}, f"{KEPT}, {NO_DATE}"),
        ("a decimal comma", {"paid_amount": '"80,00"'}, NO_AMOUNT, {"paid_cents": None}),
        ("thousands", {"paid_amount": '"1,080.00"'}, NO_AMOUNT, {"paid_cents": None}),
        ("a dollar sign", {"paid_amount": "$80"}, NO_AMOUNT, {"paid_cents": None}),
        ("an amount in words", {"paid_amount": "eighty"}, NO_AMOUNT, {"paid_cents": None}),
        ("an amount as a float", {"paid_amount": "8E1"}, KEPT, {"paid_cents": 8000}),
        ("thirds of a cent", {"paid_amount": "80.3333333"}, KEPT, {"paid_cents": 8033}),
        ("a quadrillion", {"paid_amount": "1e15"}, NO_AMOUNT, {"paid_cents": None}),
        ("NaN for an amount", {"paid_amount": "NaN"}, KEPT, {"paid_cents": None}),
        ("NULL for an amount", {"paid_amount": "NULL"}, KEPT, {"paid_cents": None}),
        ("a negative amount without its claim", {"paid_amount": "-80"}, "quarantined orphan_reversal"),
        ("a denial", {"paid_amount": "0", "allowed_amount": "0"}, "quarantined denied"),
        ("a line twice", {"again": {}}, f"{KEPT}, merged duplicate"),
        ("a line paid twice", {"again": {"paid_date": "2021-04-01", "paid_amount": "7"}}, f"{KEPT}, merged superseded"),
        ("a line taken back", {"again": {"paid_date": "2021-04-01", "paid_amount": "-80"}},
         "merged reversed, merged reversed"),
        ("a line taken back in brackets", {"again": {"paid_date": "2021-04-01", "paid_amount": "(80.00)"}},
         "merged reversed, merged reversed"),
        ("a line taken back by a mainframe", {"again": {"paid_date": "2021-04-01", "paid_amount": "80.00-"}},
         "merged reversed, merged reversed"),
        ("a line taken back with a decimal comma", {"again": {"paid_date": "2021-04-01", "paid_amount": '"-80,00"'}},
         f"merged superseded, {NO_AMOUNT}", {"paid_cents": None}),
        ("brackets without a claim to take back", {"paid_amount": "(80.00)"}, "quarantined orphan_reversal"),
        ("a code in small letters", {"hcpcs_code": "g0283"}, MENDED),
        ("a code with a dot", {"diagnosis_code_1": "M54.5"}, MENDED),
        ("a code that is none", {"hcpcs_code": "?????"}, NO_CODE, {"procedure": None}),
        ("a code as long as a sentence", {"hcpcs_code": "NOT KNOWN AT ALL"}, NO_CODE, {"procedure": None}),
        ("NULL for a code", {"hcpcs_code": "NULL", "revenue_center_code": " n/a "}, KEPT, {"procedure": None}),
        ("zeros for a code", {"hcpcs_code": "000", "diagnosis_code_1": "---"}, KEPT, {"procedure": None}),
        ("N/A beside a diagnosis in small letters", {"hcpcs_code": "N/A", "diagnosis_code_1": "m545"}, MENDED),
        ("a revenue centre of eight characters", {"revenue_center_code": "00000320"}, NO_CODE, {"revenue": None}),
        ("a diagnosis of eight characters", {"diagnosis_code_1": "M5456789"}, NO_CODE, {"diagnoses": []}),
        ("a code that is none beside one that is mended", {"hcpcs_code": "72148.0", "diagnosis_code_1": "M54-50"},
         NO_CODE, {"procedure": "72148"}),
        ("a code and an amount that are none", {"hcpcs_code": "?????", "paid_amount": "eighty"}, NO_AMOUNT),
        ("a line twice, once with a code that is none", {"hcpcs_code": "?????", "again": {"hcpcs_code": ""}},
         f"{KEPT}, merged duplicate"),
        ("a denial with a code that is none", {"hcpcs_code": "?????", "paid_amount": "0", "allowed_amount": "0"},
         "quarantined denied"),
        ("a code with a hyphen", {"diagnosis_code_1": "M54-50"}, NO_CODE, {"diagnoses": []}),
        ("a revenue centre without its zero", {"revenue_center_code": "320"}, MENDED),
        ("a revenue centre as a float", {"revenue_center_code": "320.0"}, MENDED, {"revenue": "0320"}),
        ("a procedure as a float", {"hcpcs_code": "72148.0"}, MENDED, {"procedure": "72148"}),
        ("a place as a float", {"place_of_service_code": "23.0"}, MENDED, {"place": "23"}),
        ("a place of one digit as a float", {"place_of_service_code": "2.0"}, MENDED, {"place": "02"}),
        ("a modifier as a float", {"hcpcs_modifier_1": "95.0"}, MENDED, {"modifiers": ["95"]}),
        ("a specialty as a float", {"rendering_specialty": "65.0"}, MENDED, {"specialty": "65"}),
        ("a procedure with its modifier", {"hcpcs_code": "7214826"}, MENDED,
         {"procedure": "72148", "modifiers": ["26"]}),
        ("a procedure, a hyphen and a modifier", {"hcpcs_code": "72148-tc", "hcpcs_modifier_1": "GP"}, MENDED,
         {"procedure": "72148", "modifiers": ["GP", "TC"]}),
        ("a modifier told twice", {"hcpcs_code": "72148 26", "hcpcs_modifier_1": "26"}, MENDED, {"modifiers": ["26"]}),
        ("a procedure without its zero", {"hcpcs_code": "1936"}, MENDED, {"procedure": "01936"}),
        ("a procedure of four characters", {"hcpcs_code": "7214"}, NO_CODE, {"procedure": None}),
        ("a revenue centre for a procedure", {"hcpcs_code": "0320"}, NO_CODE, {"procedure": None}),
        ("a procedure of ICD for one of HCPCS", {"hcpcs_code": "0SG00A0"}, NO_CODE, {"procedure": None}),
        ("a diagnosis of ICD-9 without its zero", {**ICD9, "diagnosis_code_1": "38.9"}, MENDED,
         {"diagnoses": ["0389"]}),
        ("an infection that reads like a cancer", {**ICD9, "diagnosis_code_1": "15.04"}, MENDED,
         {"diagnoses": ["01504"]}),
        ("a category of ICD-9 as a number", {**ICD9, "diagnosis_code_1": "42"}, MENDED, {"diagnoses": ["042"]}),
        ("a diagnosis of ICD-9 that ends in .0", {**ICD9, "diagnosis_code_1": "320.0"}, MENDED,
         {"diagnoses": ["3200"]}),
        ("a diagnosis of ICD-9 that lost zeros and dot", {**ICD9, "diagnosis_code_1": "389"}, KEPT,
         {"diagnoses": ["389"]}),
        ("codes of ICD-10 that are numbers", {"diagnosis_code_1": "42"}, KEPT, {"diagnoses": ["42"]}),
        ("a field of 10 MB", {"diagnosis_code_1": "A" * 10_000_000}, NO_CODE, {"diagnoses": []}),
        ("an unknown kind of claim", {"claim_type": "??"}, KEPT, {"claim_type": "other"}),
        ("50,000 lines of one member", {"lines": 50_000}, KEPT),
    )
]  # fmt: skip

FILLS = [
    Bad("tuva.pharmacy_claim", *case)
    for case in (
        ("an NDC of ten digits", {"ndc_code": "0002322730"}, NO_CODE, {"ndc": None}),
        ("an NDC in a spreadsheet's way", {"ndc_code": "2.32E+09"}, NO_CODE, {"ndc": None}),
        ("an NDC without its zeros", {"ndc_code": "2322730"}, MENDED),
        ("an NDC with its qualifier", {"ndc_code": "N400002322730"}, MENDED, {"ndc": "00002322730"}),
        ("an NDC with an asterisk", {"ndc_code": "*0002322730"}, NO_CODE, {"ndc": None}),
        ("an NDC of twelve digits", {"ndc_code": "000023227301"}, NO_CODE, {"ndc": None}),
        ("an NDC of thirteen digits", {"ndc_code": "0000023227301"}, NO_CODE, {"ndc": None}),
        ("zeros for an NDC", {"ndc_code": "0000000000"}, KEPT, {"ndc": None}),
        ("an NDC and days that are none", {"ndc_code": "?", "days_supply": "a few"}, NO_CODE),
        ("NULL for days and quantity", {"days_supply": "NULL", "quantity": "NaN"}, KEPT, {"days_supply": None}),
        ("a fill of an unreadable amount", {"paid_amount": "free"}, NO_AMOUNT),
        ("a negative quantity", {"quantity": "-60"}, MENDED, {"quantity": None}),
        ("negative days", {"days_supply": "-30"}, MENDED, {"days_supply": None}),
        ("half a day", {"days_supply": "30.5"}, NO_SUPPLY, {"days_supply": None}),
        ("days beyond an int", {"days_supply": "3000000000"}, NO_SUPPLY, {"days_supply": None}),
        ("a quantity in words", {"quantity": "a few"}, NO_SUPPLY, {"quantity": None}),
        ("a quantity beyond its column", {"quantity": "1e12"}, NO_SUPPLY, {"quantity": None}),
        ("no day", {"dispensing_date": ""}, NO_KEY),
        ("31 September", {"dispensing_date": "2020-09-31"}, NO_DATE),
        ("a field too few", {"-": 1}, BROKEN),
    )
]  # fmt: skip

SPANS = [
    Bad("tuva.eligibility", *case)
    for case in (
        ("no person", {"person_id": ""}, NO_KEY),
        ("None for a person", {"person_id": "None"}, NO_KEY),
        ("a person in a spreadsheet's way", {"person_id": "9.87654E+10"}, NO_ID),
        ("no start", {"enrollment_start_date": ""}, NO_KEY),
        ("a start that is no date", {"enrollment_start_date": "2020"}, NO_DATE),
        ("a start before 1900", {"enrollment_start_date": "1800-01-01"}, NO_DATE),
        ("an end before the start", {"enrollment_end_date": "2019-12-31"}, "quarantined reversed_span"),
        ("an end that never comes", {"enrollment_end_date": "9999-12-31"}, KEPT),
        ("an end in 2099", {"enrollment_end_date": "2099-12-31"}, KEPT),
        ("an open end told in two ways", {"enrollment_end_date": "2299-12-31", "again":
         {"enrollment_end_date": "9999-12-31"}}, f"{KEPT}, merged duplicate"),
        ("an end that is NULL", {"enrollment_end_date": "NULL"}, NO_DATE),
        ("no end", {"enrollment_end_date": ""}, KEPT),
        ("a single day", {"enrollment_end_date": "2020-01-01"}, KEPT),
        ("a birth in the future", {"birth_date": "2021-10-16"}, "quarantined future_birth"),
        ("a birth after the cover", {"birth_date": "2021-10-01", "enrollment_end_date": "2021-01-01"}, NO_DATE),
        ("a birth after the death", {"death_date": "1980-05-04"}, NO_DATE),
        ("a birth in the year 1", {"birth_date": "0001-01-01"}, NO_DATE),
        ("a birth before 1900", {"birth_date": "1899-12-31"}, NO_DATE),
        ("a birth in 1900", {"birth_date": "1900-01-01"}, KEPT),
        ("a death in the year 1", {"death_date": "0001-01-01", "birth_date": ""}, NO_DATE),
        ("a birth that is no date", {"birth_date": "someday"}, NO_DATE),
        ("a death that is no date", {"death_date": "2020-02-30"}, NO_DATE),
        ("no birth", {"birth_date": ""}, KEPT),
        ("an unknown sex", {"gender": "9"}, KEPT),
        ("a span twice", {"again": {}}, f"{KEPT}, merged duplicate"),
        ("a span in a span", {"again": {"enrollment_start_date": "2020-02-01"}}, f"{KEPT}, merged overlapping_span"),
        ("spans that overlap", {"again": {"enrollment_start_date": "2021-02-01", "enrollment_end_date": "2022-01-31"}},
         f"{KEPT}, merged overlapping_span"),
        ("spans that abut", {"again": {"enrollment_start_date": "2022-01-01", "enrollment_end_date": "2022-01-31"}},
         f"{KEPT}, merged adjacent_span"),
        ("the heading again", {"=": "heading"}, "quarantined repeated_heading"),
        ("a field too many", {"+": ","}, BROKEN),
    )
]  # fmt: skip

ENROLMENTS = [
    Bad("tuva.program_roster", *case)
    for case in (
        ("no person", {"person_id": ""}, NO_KEY),
        ("no program", {"program": ""}, NO_KEY),
        ("no day", {"enrolled_on": ""}, NO_KEY),
        ("a day that is none", {"enrolled_on": "2020-05-32"}, NO_DATE),
        ("left before enrolled", {"left_on": "2020-01-01"}, "kept mended"),
        ("left on no day", {"left_on": "2020-05-32"}, "kept mended"),
        ("enrolled twice", {"again": {"enrolled_on": "2021-06-01"}}, f"{KEPT}, merged later_enrolment"),
        ("a row twice", {"again": {}}, f"{KEPT}, merged duplicate"),
        ("nobody we know", {"person_id": "nobody"}, KEPT),
        ("half a line", {"=": "ann"}, BROKEN),
    )
]  # fmt: skip

LINKS = [
    Bad("tuva.crosswalk", *case)
    for case in (
        ("an id of nobody", {"same_as": ""}, NO_KEY),
        ("nan for an id", {"same_as": "nan"}, NO_KEY),
        ("an id in a spreadsheet's way", {"same_as": "1.23457E+11"}, NO_ID),
        ("the same as itself", {"same_as": "tag"}, "merged looked_up"),
        ("the same as two", {"again": {"same_as": "bob"}}, "quarantined ambiguous_id, quarantined ambiguous_id"),
        ("a link twice", {"again": {}}, "merged looked_up, merged duplicate"),
        ("a circle", {"same_as": "round", "again": {"person_id": "round", "same_as": "tag"}},
         "quarantined circular_id, quarantined circular_id"),
        ("half a line", {"=": "ann"}, BROKEN),
    )
]  # fmt: skip

ROWS = [*LINES, *FILLS, *SPANS, *ENROLMENTS, *LINKS]
