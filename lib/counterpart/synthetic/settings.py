"""What is asked of the generator, checked before anything is written, and what it reports back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from counterpart.errors import SettingsError

FIRST_ENROLMENT = date(2020, 1, 1)
LAST_ENROLMENT = date(2020, 10, 31)
LOOKBACK_DAYS = 365
FOLLOW_UP_DAYS = 90
# The program, its comparison and the look-back are planted around 2020; a longer period would only cost time.
EARLIEST_START = date(2010, 1, 1)
LATEST_END = date(2025, 12, 31)
DIRT_LEVELS = ("none", "typical")
MOST_MEMBERS = 1_000_000_000
STRONGEST_HIDDEN_CAUSE = 3.0
LARGEST_RATE_RATIO = 10.0


@dataclass(frozen=True)
class SynthSettings:
    """The settings of one data set. Everything but `workers` decides the content; `workers` decides only the time.

    `rate_ratio` is the planted ratio of lumbar imaging visits. `hidden_confounding` X is a cause that no claim shows:
    half the members have it; it multiplies their odds of enrolment by exp(X) and their imaging by exp(-X), so that
    for X > 0 even a perfect study sees a ratio below the planted one. `bystanders` is the share written of the members
    without an index date: they cost most of the time of a study and change nothing of its arms. Members are generated
    in blocks of `block_members`, each from its own random stream, `blocks_per_file` blocks to a file.
    """

    members: int
    seed: int = 0
    rate_ratio: float = 0.40
    dirt: str = "none"
    hidden_confounding: float = 0.0
    bystanders: float = 1.0
    start: date = date(2016, 1, 1)
    end: date = date(2021, 9, 30)
    workers: int | None = None
    block_members: int = 5_000
    blocks_per_file: int = 5

    def __post_init__(self) -> None:
        problems = [message for is_wrong, message in self._checks() if is_wrong]
        if problems:
            raise SettingsError("; ".join(problems))

    def _checks(self) -> list[tuple[bool, str]]:
        latest_start = FIRST_ENROLMENT - timedelta(days=LOOKBACK_DAYS)
        earliest_end = LAST_ENROLMENT + timedelta(days=FOLLOW_UP_DAYS)
        return [
            (not 1 <= self.members <= MOST_MEMBERS, f"members is {self.members}; allowed is 1 to {MOST_MEMBERS:,}"),
            (not 0 <= self.seed < 2**63, f"seed is {self.seed}; allowed is 0 to 2^63 - 1"),
            (
                not (math.isfinite(self.rate_ratio) and 0 <= self.rate_ratio <= LARGEST_RATE_RATIO),
                f"rate_ratio is {self.rate_ratio}; allowed is 0 to {LARGEST_RATE_RATIO:g}",
            ),
            (self.dirt not in DIRT_LEVELS, f"dirt is {self.dirt!r}; allowed is {' or '.join(DIRT_LEVELS)}"),
            (
                not abs(self.hidden_confounding) <= STRONGEST_HIDDEN_CAUSE,
                f"hidden_confounding is {self.hidden_confounding}; allowed is -{STRONGEST_HIDDEN_CAUSE:g} "
                f"to {STRONGEST_HIDDEN_CAUSE:g}",
            ),
            (not 0 <= self.bystanders <= 1, f"bystanders is {self.bystanders}; allowed is a share from 0 to 1"),
            (
                not EARLIEST_START <= self.start <= latest_start,
                f"start is {self.start}; allowed is {EARLIEST_START} to {latest_start}, "
                "so that a year of look-back fits before the first enrolment",
            ),
            (
                not earliest_end <= self.end <= LATEST_END,
                f"end is {self.end}; allowed is {earliest_end} to {LATEST_END}, "
                "so that 90 days of follow-up fit after the last enrolment",
            ),
            (self.workers is not None and self.workers < 1, f"workers is {self.workers}; it must be at least 1"),
            (self.block_members < 1, f"block_members is {self.block_members}; it must be at least 1"),
            (self.blocks_per_file < 1, f"blocks_per_file is {self.blocks_per_file}; it must be at least 1"),
        ]

    @property
    def days(self) -> int:
        """Days of data, both ends included."""
        return (self.end - self.start).days + 1

    @property
    def n_blocks(self) -> int:
        """Blocks of members, the last one possibly shorter."""
        return -(-self.members // self.block_members)

    @property
    def n_files(self) -> int:
        """Files of each table."""
        return -(-self.n_blocks // self.blocks_per_file)

    def members_of(self, block: int) -> range:
        """The running numbers of the members of one block."""
        first = block * self.block_members
        return range(first, min(first + self.block_members, self.members))

    def blocks_of(self, file: int) -> range:
        """The blocks that one file holds, in order."""
        first = file * self.blocks_per_file
        return range(first, min(first + self.blocks_per_file, self.n_blocks))


@dataclass(frozen=True)
class SynthReport:
    """What was written: rows per table, the planted arms, and the time it took. Counts only, of made-up members."""

    out: Path
    members: int
    medical_lines: int
    pharmacy_lines: int
    eligibility_rows: int
    enrolments: int
    comparator_members: int
    candidate_dates: int
    dirty_rows: int
    files: int
    seconds: float

    @property
    def lines(self) -> int:
        """Claim lines of both kinds."""
        return self.medical_lines + self.pharmacy_lines
