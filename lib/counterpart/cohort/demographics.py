"""Age, age band, state and region of a unit as known on its index date."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

UNKNOWN = "unknown"

# U.S. Census Bureau, Census Regions and Divisions of the United States.
CENSUS_REGIONS = {
    "northeast": "CT ME MA NH NJ NY PA RI VT",
    "midwest": "IL IN IA KS MI MN MO NE ND OH SD WI",
    "south": "AL AR DE DC FL GA KY LA MD MS NC OK SC TN TX VA WV",
    "west": "AK AZ CA CO HI ID MT NV NM OR UT WA WY",
    "territories": "AS GU MP PR VI",
}
STATES = tuple(sorted(state for states in CENSUS_REGIONS.values() for state in states.split()))


def age_on(birth: Column, day: Column) -> Column:
    """Completed years; somebody born on 29 February completes a year on 1 March of common years."""
    had_no_birthday = F.month(day) * 100 + F.dayofmonth(day) < F.month(birth) * 100 + F.dayofmonth(birth)
    return F.year(day) - F.year(birth) - had_no_birthday.cast("int")


def age_band_of(age: Column, bands: tuple[int, ...]) -> Column:
    """`18-34`, ..., `65+`; null below the first band."""
    labels = [(low, f"{low}-{high - 1}") for low, high in pairwise(bands)] + [(bands[-1], f"{bands[-1]}+")]
    band = F.lit(None).cast("string")
    for low, label in labels:
        band = F.when(age >= low, F.lit(label)).otherwise(band)
    return band


def state_on(residences: Column, day: Column) -> Column:
    """The state last known on the day; `unknown` before the first."""
    known = F.filter(residences, lambda residence: residence["from_date"] <= day)
    return F.coalesce(F.try_element_at(known, F.lit(-1))["state"], F.lit(UNKNOWN))


def region_of(state: Column) -> Column:
    """Census region of a state."""
    regions = {state: region for region, states in CENSUS_REGIONS.items() for state in states.split()}
    lookup = F.create_map(*[F.lit(part) for part in chain.from_iterable(sorted(regions.items()))])
    return F.coalesce(F.try_element_at(lookup, state), F.lit(UNKNOWN))
