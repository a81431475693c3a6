"""What is planted: how the recorded past drives enrolment and outcomes, and what the program changes.

Everything is log-linear in the same drivers, and every driver is a count of what the claims of the 365 days before an
index date show (or age and sex): a study that adjusts for them recovers the ratios.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpart.synthetic.clock import Floats

PROGRAM = "digital_msk"
OTHER_PROGRAM = "digital_diabetes"
RATE_DAYS = 90
COUNTED_OUTCOMES = ("imaging", "emergency", "opioid")  # outcomes that drive, once they are past
HORIZONS = (30, 90, 180, 365)

# Driver: coefficient in the log odds of enrolment against physical therapy, and the value at which it adds nothing.
# Counts are log(1 + n) of distinct days (imaging: visits; opioid: fills) in the days -365..-1.
DRIVERS: dict[str, tuple[float, float]] = {
    "age": (-0.33, 0.0),  # (years - 50) / 10
    "female": (0.45, 0.5),
    "home_region": (0.75, 0.5),  # lives in the Census region of the state with most members
    "diabetes": (-0.25, 0.1),
    "pulmonary": (0.20, 0.1),
    "rheumatic": (0.25, 0.0),
    "office": (0.15, 1.6),
    "back_office": (0.50, 1.0),
    "imaging": (0.50, 0.3),
    "emergency": (0.25, 0.2),
    "opioid": (0.22, 0.2),
}
DRIVER_NAMES = tuple(DRIVERS)
ENROLMENT_COEFFICIENTS = np.array([coefficient for coefficient, _ in DRIVERS.values()])
CENTRES = np.array([centre for _, centre in DRIVERS.values()])
ENROLMENT_INTERCEPT = -3.05


@dataclass(frozen=True)
class PlantedOutcome:
    """Events per 90 days at the centre of the drivers, the planted ratio, coefficients by driver."""

    per_90_days: float
    rate_ratio: float
    coefficients: dict[str, float]

    def rate(self, drivers: Floats) -> Floats:
        """Events per 90 days of a member outside the program; `drivers` has shape (n, drivers), centred."""
        weights = np.array([self.coefficients.get(name, 0.0) for name in DRIVER_NAMES])
        return self.per_90_days * np.exp(drivers @ weights)


_CONFOUNDED = {"age": -0.05, "office": 0.25, "back_office": 0.50, "imaging": 0.50, "emergency": 0.30, "opioid": 0.20}
OUTCOMES: dict[str, PlantedOutcome] = {
    "imaging": PlantedOutcome(
        0.235,
        0.40,
        {
            "age": -0.12, "female": 0.15, "rheumatic": 0.20, "pulmonary": 0.10, "office": 0.10, "back_office": 0.80,
            "imaging": 0.85, "emergency": 0.30, "opioid": 0.30,
        },
    ),
    "surgery": PlantedOutcome(0.0035, 0.60, {"back_office": 0.60, "imaging": 0.80, "opioid": 0.30}),
    "injection": PlantedOutcome(0.022, 0.70, {"age": 0.05, "back_office": 0.60, "imaging": 0.70, "opioid": 0.20}),
    "opioid": PlantedOutcome(0.075, 0.75, {"back_office": 0.20, "emergency": 0.20, "opioid": 1.45}),
    "emergency": PlantedOutcome(
        0.060, 0.85, {"age": -0.05, "pulmonary": 0.15, "office": 0.25, "emergency": 0.80, "opioid": 0.15}
    ),
    "impacted_cerumen": PlantedOutcome(0.030, 1.0, _CONFOUNDED),
    "ingrowing_nail": PlantedOutcome(0.025, 1.0, _CONFOUNDED),
    "contact_dermatitis": PlantedOutcome(0.030, 1.0, _CONFOUNDED),
}  # fmt: skip
NEGATIVE_CONTROLS = ("impacted_cerumen", "ingrowing_nail", "contact_dermatitis")
# The names that conf/studies/msk_imaging.yaml gives the outcomes.
OUTCOME_NAMES = {
    "imaging": "lumbar_imaging",
    "surgery": "surgery",
    "injection": "injections",
    "opioid": "opioids",
    "emergency": "emergency",
    "impacted_cerumen": "cerumen",
    "ingrowing_nail": "ingrowing_nail",
    "contact_dermatitis": "dermatitis",
}


def rate_ratio_of(outcome: str, imaging_ratio: float) -> float:
    """The planted ratio of an outcome; that of imaging is a setting."""
    return imaging_ratio if outcome == "imaging" else OUTCOMES[outcome].rate_ratio
