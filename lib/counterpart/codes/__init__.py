"""Codes as integers, code sets as files, and the question "is this code in that set on that day?"."""

from counterpart.codes.encoding import (
    SYSTEMS,
    concept_column,
    decode,
    encode,
    encode_column,
    encode_normal,
    joined_modifier,
    ndc_column,
    normalise,
)
from counterpart.codes.lookup import CODE_ROWS_DDL, CodeRow, code_rows, is_in, match_codes
from counterpart.codes.sets import CodeLibrary, CodeRange, CodeSet, load_code_set

__all__ = [
    "CODE_ROWS_DDL",
    "SYSTEMS",
    "CodeLibrary",
    "CodeRange",
    "CodeRow",
    "CodeSet",
    "code_rows",
    "concept_column",
    "decode",
    "encode",
    "encode_column",
    "encode_normal",
    "is_in",
    "joined_modifier",
    "load_code_set",
    "match_codes",
    "ndc_column",
    "normalise",
]
