"""One block of members, from nothing to the rows of every file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from counterpart.synthetic import billing, planted
from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.clock import Bools
from counterpart.synthetic.dirt import Soiler, Tally
from counterpart.synthetic.encoding import Scribe
from counterpart.synthetic.events import Events, join_events
from counterpart.synthetic.lines import (
    EligibilityRows,
    MedicalLines,
    PharmacyLines,
    RosterRows,
    list_spans,
    spread_claims,
    spread_fills,
)
from counterpart.synthetic.members import NEVER
from counterpart.synthetic.pathways import Pathways
from counterpart.synthetic.settings import SynthSettings
from counterpart.synthetic.story import Story, Streams, Topic, draw_story

LEFT_SHARE = 0.45
OTHER_PROGRAM_SHARE = 0.02
AGAIN_SHARE, AGAIN_AFTER_DAYS = 0.02, 75


@dataclass(frozen=True)
class Block:
    """The files' rows of one block, and its counts: rows, arms, dirt by (table, kind)."""

    tables: dict[str, pa.Table]
    scores: pa.Table
    counts: Counter[str]
    dirt: Tally


def make_block(settings: SynthSettings, block: int) -> Block:
    """All rows of one block of members."""
    story, streams = draw_story(settings, block), Streams(settings.seed, block)
    is_planted = _planted_members(story.pathways, len(story.members))
    is_written = is_planted | (streams.of(Topic.BYSTANDERS).random(len(story.members)) < settings.bystanders)
    records, n_strays = _write_records(story, streams).of(is_written), 0
    counts, dirt = _count(story, is_written), Counter[tuple[str, str]]()
    if settings.dirt == "typical":
        soiler = Soiler(streams.of(Topic.DIRT), story.members, story.calendar, dirt)
        records = _soil(soiler, records, is_planted | ~is_written, counts)
        n_strays = soiler.n_strays
    roster = draw_roster(streams.of(Topic.ROSTER), story)
    roster = roster.take(is_written[roster.member])
    counts["later_enrolments"] = int(roster.is_ours.sum()) - counts["enrolled_members"]
    scribe = Scribe(block, story.members, story.calendar, n_strays)
    tables = {
        "medical_claim": scribe.medical(records.medical),
        "pharmacy_claim": scribe.pharmacy(records.pharmacy),
        "eligibility": scribe.eligibility(records.eligibility),
        "program_roster": scribe.roster(roster),
    }
    counts.update({name: table.num_rows for name, table in tables.items()})
    return Block(tables, scribe.scores(story.pathways.units, settings.rate_ratio), counts, dirt)


@dataclass(frozen=True)
class Records:
    """The rows of one block before they are given names."""

    medical: MedicalLines
    pharmacy: PharmacyLines
    eligibility: EligibilityRows

    def of(self, chosen: Bools) -> Records:
        """The rows of the members chosen, shape (members,)."""
        return Records(
            self.medical.take(chosen[self.medical.member]),
            self.pharmacy.take(chosen[self.pharmacy.member]),
            self.eligibility.take(chosen[self.eligibility.member]),
        )


def _write_records(story: Story, streams: Streams) -> Records:
    """The clean rows of a story."""
    claims = _bill(streams.of(Topic.BILLING), story).dated(story.calendar).in_order()
    amounts = streams.of(Topic.AMOUNTS)
    fills = join_events(story.history.fills, story.pathways.outcomes["opioid"])
    return Records(
        spread_claims(amounts, claims, story.spans), spread_fills(amounts, fills, story.spans), list_spans(story.spans)
    )


def _soil(soiler: Soiler, records: Records, protected: Bools, counts: Counter[str]) -> Records:
    """Clean rows -> dirty rows. Protected members keep their eligibility."""
    eligibility, is_lost = soiler.lose_eligibility(records.eligibility, protected)
    counts["members_without_eligibility"] = int(is_lost.sum())
    counts["adjacent_spans"] = _adjacent(eligibility)
    return Records(
        soiler.soil_lines("medical_claim", records.medical, is_lost),
        soiler.soil_lines("pharmacy_claim", records.pharmacy, is_lost),
        soiler.soil_eligibility(eligibility),
    )


def _bill(rng: np.random.Generator, story: Story) -> billing.Claims:
    """All medical claims of the block."""
    history, outcomes, calendar = story.history, story.pathways.outcomes, story.calendar
    controls = [outcomes[name] for name in planted.NEGATIVE_CONTROLS]
    is_delivery = history.pregnancy.code == codes.DIAGNOSES[codes.DELIVERY]
    return billing.join_claims(
        [
            billing.bill_office(rng, join_events(*history.visits, story.back.office, *controls), calendar),
            billing.bill_tests(rng, history.office),
            billing.bill_procedures(rng, history.procedures),
            *billing.bill_imaging(rng, outcomes["imaging"]),
            billing.bill_therapy(rng, join_events(story.pathways.therapy, history.joint_therapy)),
            billing.bill_chiropractic(rng, history.chiropractic),
            *billing.bill_emergencies(rng, outcomes["emergency"]),
            *billing.bill_stays(rng, history.stays, calendar),
            *billing.bill_births(rng, history.pregnancy.where(is_delivery), calendar),
            billing.bill_injections(rng, outcomes["injection"]),
            *billing.bill_surgery(rng, outcomes["surgery"], calendar),
            billing.bill_daily_care(rng, history.daily_care),
        ]
    )


def _planted_members(pathways: Pathways, n_members: int) -> Bools:
    """Who has an index date."""
    is_planted = np.zeros(n_members, dtype=bool)
    is_planted[pathways.units.member] = True
    is_planted[pathways.enrolments.member] = True
    return is_planted


def _adjacent(rows: EligibilityRows) -> int:
    """Rows that begin the day after the same member's row before: switches of plan without a gap."""
    follows = (rows.member[1:] == rows.member[:-1]) & (rows.start[1:] == rows.end[:-1] + 1)
    return int(follows.sum())


def _count(story: Story, is_written: Bools) -> Counter[str]:
    """What was planted, in numbers, of the members written."""
    units, enrolments = story.pathways.units, story.pathways.enrolments
    comparators = units.member[~units.is_treated]
    counts = {
        "members": int(is_written.sum()),
        "enrolled_members": len(enrolments),
        "comparator_members": len(np.unique(comparators)),
        "candidate_dates": len(comparators),
        "members_in_both_arms": len(np.intersect1d(comparators, enrolments.member)),
        "adjacent_spans": _adjacent(list_spans(story.spans).take(is_written[story.spans.member])),
    }
    outcomes = story.pathways.outcomes.items()
    return Counter(counts | {f"events_{name}": int(is_written[events.member].sum()) for name, events in outcomes})


def draw_roster(rng: np.random.Generator, story: Story) -> RosterRows:
    """Enrolments in the program under study, a few of them told again later, and those of another program."""
    enrolments, last = story.pathways.enrolments, story.calendar.days - 1
    again = enrolments.where(rng.random(len(enrolments)) < AGAIN_SHARE)
    again = Events.of(again.member, np.minimum(again.day + AGAIN_AFTER_DAYS, last))
    elsewhere = np.flatnonzero(rng.random(len(story.members)) < OTHER_PROGRAM_SHARE)
    day = rng.integers(story.calendar.days // 2, story.calendar.days, len(elsewhere))
    is_covered = story.cover[elsewhere, day]
    rows = join_events(enrolments, again, Events.of(elsewhere[is_covered], day[is_covered]))
    is_ours = np.arange(len(rows)) < len(enrolments) + len(again)
    left_on = rows.day + rng.integers(30, 400, len(rows))
    stays = (rng.random(len(rows)) > LEFT_SHARE) | (left_on > last)
    return RosterRows(rows.member, rows.day, np.where(stays, NEVER, left_on), is_ours)
