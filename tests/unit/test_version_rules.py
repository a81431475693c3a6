"""What the rules for versions of a line come to, by the slow way: what is repeated, divided or shuffled ends alike."""

from __future__ import annotations

import random

from tests.oracles.versions import Held, Version, judge_claim

SEED, N_CLAIMS = 20200301, 3_000
DAYS, SENT = (None, "2020-01-01", "2020-02-01"), (None, 1, 2)


def ingest(rows: list[Version], held: Held) -> Held:
    """The content of the table after a delivery of one claim."""
    fates, lost = judge_claim(1, rows, held)
    assert len(fates) == len(rows)
    kept = {(claim, line): content for claim, line, _, _, content, *_, fate, _ in fates if fate == "kept"}
    return {key: content for key, content in held.items() if key not in lost} | kept


def test_a_delivery_that_is_repeated_or_shuffled_ends_in_the_same_lines() -> None:
    dice = random.Random(SEED)
    for _ in range(N_CLAIMS):
        rows = []
        for content in dice.choices((10, 11, 11, 11, 12, 13, 20, 21, 21, 22), k=dice.randint(1, 6)):
            is_whole = dice.random() < 0.2
            is_void = is_whole and content < 20 and dice.random() < 0.3
            told = (dice.randint(1, 2), dice.choice(DAYS), dice.choice(SENT), content, False)
            rows.append(Version(1, *told, is_whole, is_void))
        held = {(1, line): dice.choice((11, 12, 13)) for line in (1, 2) if dice.random() < 0.5}
        ended = ingest(rows, held)
        assert ingest(rows, ended) == ended, (rows, held)
        assert ingest(dice.sample(rows, len(rows)), held) == ended, (rows, held)


def test_a_line_that_is_billed_anew_ends_alike_in_one_delivery_and_in_two() -> None:
    first, second = "2020-01-01", "2020-02-01"
    for again in (11, 13):
        for told in (
            [(first, None, 11), (second, None, 21), (second, None, again)],
            [(None, 1, 11), (None, 2, 21), (None, 2, again)],
            [(first, 1, 11), (first, 2, 21), (first, 2, again)],
            [(first, 1, 11), (first, 2, 21), (first, 3, again)],
        ):
            rows = [Version(1, 1, *row, is_mended=False, is_whole=False) for row in told]
            assert ingest(rows, {}) == {(1, 1): again}
            assert ingest(rows[1:], ingest(rows[:1], {})) == {(1, 1): again}
