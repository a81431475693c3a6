"""One block of members, from nothing to the rows of every file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa

from counterpart.synthetic import billing, planted
from counterpart.synthetic import catalogue as codes
from counterpart.synthetic.backpain import BackPain, draw_back_pain, draw_other_imaging
from counterpart.synthetic.clock import Bools, Calendar
from counterpart.synthetic.dirt import Soiler, Tally
from counterpart.synthetic.encoding import Scribe
from counterpart.synthetic.events import Events, join_events
from counterpart.synthetic.history import History, draw_history
from counterpart.synthetic.lines import EligibilityRows, list_spans, spread_claims, spread_fills
from counterpart.synthetic.members import NEVER, Members, draw_members, draw_spans
from counterpart.synthetic.pathways import Pathways, walk_pathways
from counterpart.synthetic.settings import SynthSettings

LEFT_SHARE = 0.45
OTHER_PROGRAM_SHARE = 0.02
AGAIN_SHARE = 0.02


class Topic(IntEnum):
    """Random streams of a block, one per topic: what is drawn for one topic never shifts another."""

    MEMBERS = 0
    COVER = 1
    HISTORY = 2
    BACK_PAIN = 3
    PATHWAYS = 4
    BILLING = 5
    AMOUNTS = 6
    ROSTER = 7
    DIRT = 8


@dataclass(frozen=True)
class Block:
    """The files' rows of one block, and its counts: rows, arms, dirt by (table, kind)."""

    tables: dict[str, pa.Table]
    scores: pa.Table
    counts: Counter[str]
    dirt: Tally


def random_stream(seed: int, block: int, topic: Topic) -> np.random.Generator:
    """The random numbers of one topic of one block: a counter-based generator, so that no block waits for another."""
    return np.random.Generator(np.random.Philox(key=[seed, block], counter=[0, 0, 0, int(topic)]))


def make_block(settings: SynthSettings, block: int) -> Block:
    """All rows of one block of members."""
    calendar = Calendar.of(settings)

    def stream(topic: Topic) -> np.random.Generator:
        return random_stream(settings.seed, block, topic)

    members = draw_members(stream(Topic.MEMBERS), settings.members_of(block), calendar)
    members, spans = draw_spans(stream(Topic.COVER), members, calendar)
    cover = spans.covers(len(members), calendar.days)
    history = draw_history(stream(Topic.HISTORY), members, cover, calendar)
    pain = stream(Topic.BACK_PAIN)
    back = draw_back_pain(pain, members, cover, calendar)
    other_imaging = draw_other_imaging(pain, members, cover, calendar)
    pathways = walk_pathways(stream(Topic.PATHWAYS), settings, members, spans, cover, calendar, history, back)
    claims = _bill(stream(Topic.BILLING), calendar, history, back, pathways, other_imaging).dated(calendar).in_order()
    amounts = stream(Topic.AMOUNTS)
    medical = spread_claims(amounts, claims, spans)
    pharmacy = spread_fills(amounts, join_events(history.fills, pathways.outcomes["opioid"]), spans)
    eligibility = list_spans(spans)
    tally: Tally = Counter()
    counts = _count(pathways, members)
    scribe = Scribe(block, members, calendar)
    if settings.dirt == "typical":
        soiler = Soiler(stream(Topic.DIRT), members, calendar, tally)
        eligibility, is_lost = soiler.lose_eligibility(eligibility, _planted_members(pathways, members))
        counts["members_without_eligibility"] = int(is_lost.sum())
        counts["adjacent_spans"] = _adjacent(eligibility)
        medical = soiler.soil_lines("medical_claim", medical, is_lost)
        pharmacy = soiler.soil_lines("pharmacy_claim", pharmacy, is_lost)
        eligibility = soiler.soil_eligibility(eligibility)
        scribe = Scribe(block, members, calendar, soiler.n_strays)
    else:
        counts["adjacent_spans"] = _adjacent(eligibility)
    tables = {
        "medical_claim": scribe.medical(medical),
        "pharmacy_claim": scribe.pharmacy(pharmacy),
        "eligibility": scribe.eligibility(eligibility),
        "program_roster": _roster(stream(Topic.ROSTER), scribe, pathways.enrolments, members, cover),
    }
    counts.update({name: table.num_rows for name, table in tables.items()})
    return Block(tables, scribe.scores(pathways.units, settings.rate_ratio), counts, tally)


def _bill(
    rng: np.random.Generator,
    calendar: Calendar,
    history: History,
    back: BackPain,
    pathways: Pathways,
    other_imaging: Events,
) -> billing.Claims:
    """All medical claims of the block."""
    outcomes = pathways.outcomes
    controls = [outcomes[name] for name in planted.NEGATIVE_CONTROLS]
    is_delivery = history.pregnancy.code == codes.DIAGNOSES[codes.DELIVERY]
    return billing.join_claims(
        [
            billing.bill_office(rng, join_events(*history.visits, back.office, *controls), calendar),
            billing.bill_tests(rng, history.office),
            billing.bill_procedures(rng, history.procedures),
            *billing.bill_imaging(rng, join_events(outcomes["imaging"], other_imaging)),
            billing.bill_therapy(rng, join_events(pathways.therapy, history.joint_therapy)),
            billing.bill_chiropractic(rng, history.chiropractic),
            *billing.bill_emergencies(rng, outcomes["emergency"]),
            *billing.bill_stays(rng, history.stays, calendar),
            *billing.bill_births(rng, history.pregnancy.where(is_delivery), calendar),
            billing.bill_injections(rng, outcomes["injection"]),
            *billing.bill_surgery(rng, outcomes["surgery"], calendar),
            billing.bill_daily_care(rng, history.daily_care),
        ]
    )


def _planted_members(pathways: Pathways, members: Members) -> Bools:
    is_planted = np.zeros(len(members), dtype=bool)
    is_planted[pathways.units.member] = True
    is_planted[pathways.enrolments.member] = True
    return is_planted


def _adjacent(rows: EligibilityRows) -> int:
    """Rows that begin the day after the same member's row before: switches of plan without a gap."""
    follows = (rows.member[1:] == rows.member[:-1]) & (rows.start[1:] == rows.end[:-1] + 1)
    return int(follows.sum())


def _count(pathways: Pathways, members: Members) -> Counter[str]:
    units = pathways.units
    comparators = units.member[~units.is_treated]
    both = np.intersect1d(comparators, pathways.enrolments.member)
    return Counter(
        {
            "members": len(members),
            "enrolled_members": len(pathways.enrolments),
            "comparator_members": len(np.unique(comparators)),
            "candidate_dates": len(comparators),
            "members_in_both_arms": len(both),
        }
        | {f"events_{name}": len(events) for name, events in pathways.outcomes.items()}
    )


def _roster(rng: np.random.Generator, scribe: Scribe, enrolments: Events, members: Members, cover: Bools) -> pa.Table:
    """Enrolments in the program under study, a few of them repeated later, and those of another program."""
    again = enrolments.where(rng.random(len(enrolments)) < AGAIN_SHARE)
    again = Events.of(again.member, np.minimum(again.day + 150, scribe.calendar.days - 1))
    elsewhere = np.flatnonzero(rng.random(len(members)) < OTHER_PROGRAM_SHARE)
    day = rng.integers(scribe.calendar.days // 2, scribe.calendar.days, len(elsewhere))
    is_covered = cover[elsewhere, day]
    others = Events.of(elsewhere[is_covered], day[is_covered])
    rows = join_events(enrolments, again, others)
    program = [planted.PROGRAM] * (len(enrolments) + len(again)) + [planted.OTHER_PROGRAM] * len(others)
    left_on = rows.day + rng.integers(30, 400, len(rows))
    stays = (rng.random(len(rows)) > LEFT_SHARE) | (left_on >= scribe.calendar.days)
    return scribe.roster(rows, program, np.where(stays, NEVER, left_on))
