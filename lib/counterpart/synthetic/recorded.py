"""What the claims show of a member's past on a day: the drivers of enrolment and outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpart.synthetic import catalogue as codes
from counterpart.synthetic import planted
from counterpart.synthetic.backpain import BackPain
from counterpart.synthetic.clock import Bools, Floats, Ints
from counterpart.synthetic.events import Events, count_before, days_of, join_events, new_days
from counterpart.synthetic.history import History
from counterpart.synthetic.members import Members, Spans
from counterpart.synthetic.settings import LOOKBACK_DAYS

CONDITION_DRIVERS = {
    "diabetes": ("diabetes", "diabetes_complicated"),
    "pulmonary": ("pulmonary",),
    "rheumatic": ("rheumatic",),
}
_IN_HOME_REGION = np.array([state in codes.HOME_REGION for state in codes.STATES.codes])


@dataclass(frozen=True)
class Recorded:
    """Sorted member-days of all that drives decisions, but for the outcomes: these change as decisions are made."""

    members: Members
    spans: Spans
    visits: Ints
    back_visits: Ints
    conditions: dict[str, Ints]

    @classmethod
    def of(cls, members: Members, spans: Spans, history: History, back: BackPain) -> Recorded:
        """The record of a block of members."""
        visits = (*history.visits, back.office)
        diagnosed = join_events(*visits, history.stays)
        conditions = {
            driver: days_of(diagnosed.where(_is_about(diagnosed, names))) for driver, names in CONDITION_DRIVERS.items()
        }
        return cls(members, spans, days_of(*visits), days_of(back.office), conditions)

    def drivers(self, outcomes: dict[str, Events], member: Ints, day: Ints) -> Floats:
        """The drivers of person-dates, centred, shape (n, drivers), in the order of `planted.DRIVERS`."""
        values = self._demographics(member, day)
        values |= {name: _count(keys, member, day) > 0 for name, keys in self.conditions.items()}
        values |= {name: np.log1p(_count(days_of(outcomes[name]), member, day)) for name in planted.COUNTED_OUTCOMES}
        # A negative control brings its member to the office, as any complaint does; a day counts once.
        controls = new_days(days_of(*(outcomes[name] for name in planted.NEGATIVE_CONTROLS)), self.visits)
        visits = _count(self.visits, member, day) + _count(controls, member, day)
        values |= {"office": np.log1p(visits), "back_office": np.log1p(_count(self.back_visits, member, day))}
        return np.column_stack([values[name] for name in planted.DRIVER_NAMES]) - planted.CENTRES

    def _demographics(self, member: Ints, day: Ints) -> dict[str, Floats | Bools]:
        """Age in decades from 50, sex, and whether the member lives in the home region on the day."""
        state = self.spans.state[self.spans.row_on(member, day)]
        return {
            "age": (np.floor(self.members.age(member, day)) - 50) / 10,
            "female": self.members.is_female[member],
            "home_region": _IN_HOME_REGION[state],
        }


def _count(keys: Ints, member: Ints, day: Ints) -> Ints:
    return count_before(keys, member, day, LOOKBACK_DAYS)


def _is_about(events: Events, conditions: tuple[str, ...]) -> Bools:
    diagnoses = codes.CONDITION_DIAGNOSES[[codes.CONDITION_NAMES.index(name) for name in conditions]]
    return np.isin(events.code, diagnoses) | np.isin(events.other, diagnoses)
