"""Words that leave the site: foreign messages are redacted, labels are refused when they look like an id."""

from __future__ import annotations

import re
import unicodedata

HIDDEN = "…"

# What an exception of somebody else's may carry: quoted values, fields of a printed row, lists of values, mail
# addresses, numbers of any length (a lone "7" may be a count of people, "2020-03-14" one person's date, "P00314" a
# member).
_APOSTROPHE = re.compile(r"(?<=[a-z])'(?=(?:t|s|re|ve|ll|d|m)\b)", re.IGNORECASE)
_CURLY = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "´": "`"})
_QUOTES = "'\"`"
_LISTED = re.compile(
    r"\[[^\[\]]*[,;:=|][^\[\]]*\]|\([^()]*[,;:=|][^()]*\)|\{[^{}]*\}"
    r"|[\[({][^\[\](){}]*$"  # one that is cut off
)
_JOINED = re.compile(r"\S+[,;|]\S+")
_FIELD = re.compile(r"\s*=[^,;)\]}]*")
_MAIL = re.compile(r"\S*@\S*")
_NUMBERED = re.compile(r"\S*\d\S*")
_HEX = re.compile(r"\b[0-9a-fA-F]{8,}\b")
_RUNS = re.compile(rf"{HIDDEN}(?:[\s,;.:]*{HIDDEN})+")
_MAX_TEXT = 300

# A long run of digits, a long hexadecimal run with a digit in it, a UUID: no label of a covariate has these.
_LIKE_AN_ID = re.compile(r"\d{7,}|\b(?=[a-f]*\d)[0-9a-f]{12,}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)
_LIKE_A_DAY = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b")


def safe_text(message: str) -> str:
    """A foreign message without quoted, listed or field values, numbers, dates or addresses: one line, 300 characters.

    What is left tells an engineer where to look; the rest is on the site's own disks.
    """
    # Compatibility forms first: a superscript or full-width digit is a digit.
    plain = unicodedata.normalize("NFKC", str(message)).replace(HIDDEN, "...").translate(_CURLY)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    text = _hide_quoted(_APOSTROPHE.sub("", lines[0])) if lines else ""
    n_hidden = 1
    while n_hidden:  # lists in lists
        text, n_hidden = _LISTED.subn(HIDDEN, text)
    for pattern in (_JOINED, _MAIL, _NUMBERED, _HEX):
        text = pattern.sub(HIDDEN, text)
    text = _RUNS.sub(HIDDEN, _FIELD.sub(f"={HIDDEN}", text))
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1].rstrip() + HIDDEN


def _hide_quoted(text: str) -> str:
    """Hide what stands in quotes; from a quote on whose other half cannot be told, hide all that follows.

    A closing quote is one that no letter follows, so that the value of 'O'Brien' is hidden as a whole.
    """
    for quote in _QUOTES:
        if text.count(quote) % 2:
            text = text[: text.index(quote)] + HIDDEN
    return re.sub(rf"([{_QUOTES}])(?:.*?\1(?!\w)|.*)", HIDDEN, text)


def is_label(text: str) -> bool:
    """Can this be the name of a covariate, criterion or rule, rather than an id or a person's date?"""
    return not _LIKE_AN_ID.search(text) and not _LIKE_A_DAY.search(text)
