"""States as sources write them -> the letters of the Postal Service."""

from __future__ import annotations

_NAMES = """
AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|DC District of Columbia
FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|LA Louisiana|ME Maine
MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada
NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon
PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia
WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming|PR Puerto Rico|VI Virgin Islands|GU Guam|AS American Samoa
MP Northern Mariana Islands
"""

_BY_LETTERS = dict(entry.split(" ", 1) for line in _NAMES.strip().splitlines() for entry in line.split("|"))

LETTERS_OR_NAMES: dict[str, str] = {
    **{letters: letters for letters in _BY_LETTERS},
    **{name.upper(): letters for letters, name in _BY_LETTERS.items()},
}
"""Upper-case letters or name -> letters: the 50 states, the District of Columbia, territories (USPS Publication 28)."""

# Numbered in the order of the names. 54 stands for all other places and has no letters.
_SSA_ORDER = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA PR RI SC SD TN TX UT VT VI VA WA WV WI WY"
)

# 64 to 66 as in CMS's numbers of providers, 97 and 98 as in its table of STATE_CD. 99 is American Samoa or unknown.
_ISLANDS = {"64": "AS", "65": "GU", "66": "MP", "97": "MP", "98": "GU"}

SSA: dict[str, str] = {
    **{f"{number:02d}": letters for number, letters in enumerate(_SSA_ORDER.split(), start=1)},
    **_ISLANDS,
}
"""State codes of the Social Security Administration, as in Medicare files (CMS DE-SynPUF codebook, SP_STATE_CODE)."""
