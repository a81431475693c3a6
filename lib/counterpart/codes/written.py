"""How the codes of a system are written, so that a row of a code set that can never meet a claim is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class _Form:
    """A character class for each position; a code has at least `least` characters, a prefix one."""

    positions: tuple[str, ...]
    least: int

    def fits(self, text: str, least: int) -> bool:
        """Is the text a code of this form, or at least `least` characters of its beginning?"""
        return least <= len(text) <= len(self.positions) and all(
            re.fullmatch(allowed, character) for allowed, character in zip(self.positions, text, strict=False)
        )


def _form(*positions: tuple[str, int], least: int) -> _Form:
    return _Form(tuple(allowed for allowed, n in positions for _ in range(n)), least)


_DIGIT, _ANY = "[0-9]", "[0-9A-Z]"

# Whether a code is in a year's edition is not asked. CPT has five digits, or four and a letter of its categories II
# (F), III (T), PLA (U), MAAA (M) and anesthesia (A); HCPCS level II a letter from A to V and four digits, codes of
# states one from W to Z. Revenue centres begin with 0, or are 100x, 210x and 310x. A type of bill is facility,
# classification and frequency, which may be a letter. Places of a payer's own may have letters. NDCs and OMOP's
# concepts are numbers, which the encoding judges.
_FORMS: Mapping[str, tuple[_Form, ...]] = {
    "icd10cm": (_form(("[A-Z]", 1), (_DIGIT, 1), ("[0-9AB]", 1), (_ANY, 4), least=3),),
    "icd9cm": (
        _form((_DIGIT, 5), least=3),
        _form(("V", 1), (_DIGIT, 4), least=3),
        _form(("E", 1), (_DIGIT, 4), least=4),
    ),
    "hcpcs": (
        _form((_DIGIT, 4), ("[0-9AFMTU]", 1), least=5),
        _form(("[A-Z]", 1), (_DIGIT, 4), least=5),
    ),
    "revenue": (
        _form(("0", 1), (_DIGIT, 3), least=4),
        *(_form((first, 1), (second, 1), ("0", 1), (_DIGIT, 1), least=4) for first, second in ("10", "21", "31")),
    ),
    "place": (_form((_ANY, 2), least=2),),
    "modifier": (_form((_ANY, 2), least=2),),
    "specialty": (_form((_ANY, 2), least=2), _form((_DIGIT, 3), (_ANY, 6), ("X", 1), least=10)),
    "icd10pcs": (_form(("[0-9A-HJ-NP-Z]", 7), least=7),),
    "icd9pcs": (_form((_DIGIT, 4), least=2),),
    "drg": (_form((_DIGIT, 3), least=3),),
    "bill_type": (_form(("[1-9]", 1), (_DIGIT, 1), (_ANY, 1), least=3),),
}
_IN_WORDS = {
    "icd10cm": "3 to 7 letters and digits, a letter first, such as M54.50",
    "icd9cm": "3 to 5 digits, or V or E and digits, such as 042, 724.2, V58.65 or E880.1",
    "hcpcs": "5 letters and digits, such as 72148, 0075T or J1100",
    "revenue": "4 digits, such as 0320 (03* are all that begin so)",
    "place": "2 digits or letters, such as 23",
    "modifier": "2 letters or digits, such as GP",
    "specialty": "2 letters or digits, or a taxonomy of 10, such as 65 or 225100000X",
    "icd10pcs": "7 letters and digits without I and O, such as BR39Y0Z",
    "icd9pcs": "2 to 4 digits, such as 81.08",
    "drg": "3 digits, such as 039",
    "bill_type": "3 characters, with or without a zero in front, such as 111 or 0111 (11* are all that begin so)",
}


def refuse_unwritten(system: str, text: str, is_prefix: bool) -> None:
    """ValueError for a code, or the beginning of one, that claims never have. Normalised, its leading zeros there."""
    forms = _FORMS.get(system, ())
    if forms and not any(form.fits(text, 1 if is_prefix else form.least) for form in forms):
        what = f"no code of {system} begins with {text!r}" if is_prefix else f"{text!r} is not a code of {system}"
        raise ValueError(f"{what}: one has {_IN_WORDS[system]}")
