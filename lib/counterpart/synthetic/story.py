"""The story of one block of members: who they are, what happens to them, what they decide. Claims come after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from counterpart.synthetic.backpain import BackPain, draw_back_pain
from counterpart.synthetic.clock import Bools, Calendar
from counterpart.synthetic.history import History, draw_history
from counterpart.synthetic.members import Members, Spans, draw_members, draw_spans
from counterpart.synthetic.pathways import Pathways, walk_pathways
from counterpart.synthetic.settings import SynthSettings


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
    BYSTANDERS = 9


@dataclass(frozen=True)
class Streams:
    """The random numbers of one block: counter-based generators keyed by seed and block, so that no block waits."""

    seed: int
    block: int

    def of(self, topic: Topic) -> np.random.Generator:
        """The stream of one topic, from its beginning."""
        return np.random.Generator(np.random.Philox(key=[self.seed, self.block], counter=[0, 0, 0, int(topic)]))


@dataclass(frozen=True)
class Story:
    """One block. `cover` says who is covered on which day, shape (members, days)."""

    calendar: Calendar
    members: Members
    spans: Spans
    cover: Bools
    history: History
    back: BackPain
    pathways: Pathways


def draw_story(settings: SynthSettings, block: int) -> Story:
    """The story of one block; the same settings and block give the same story on every machine and day."""
    calendar, streams = Calendar.of(settings), Streams(settings.seed, block)
    members = draw_members(streams.of(Topic.MEMBERS), settings.members_of(block), calendar)
    members, spans = draw_spans(streams.of(Topic.COVER), members, calendar)
    cover = spans.covers(len(members), calendar.days)
    history = draw_history(streams.of(Topic.HISTORY), members, cover, calendar)
    back = draw_back_pain(streams.of(Topic.BACK_PAIN), members, cover, calendar)
    pathways = walk_pathways(streams.of(Topic.PATHWAYS), settings, members, spans, cover, calendar, history, back)
    return Story(calendar, members, spans, cover, history, back, pathways)
