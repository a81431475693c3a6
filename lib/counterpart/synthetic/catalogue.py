"""The codes that the made-up claims speak: vocabularies, their fees, and mixes to draw from.

Code numbers only. Every NDC is invented (labeler 99001 to 99003): illustrative products, for the demo claims alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

import numpy as np

from counterpart.synthetic.clock import Ints

NONE = -1  # "no code" in every array of codes


class Vocabulary:
    """A closed list of codes; arrays hold positions in it, files hold the codes."""

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(dict.fromkeys(codes))
        self._positions = {code: position for position, code in enumerate(self.codes)}

    def __getitem__(self, code: str) -> int:
        return self._positions[code]

    def __len__(self) -> int:
        return len(self.codes)


class Mix:
    """Codes of a vocabulary with weights; `draw` gives positions in the vocabulary, int16, shape (n,)."""

    def __init__(self, vocabulary: Vocabulary, weights: Mapping[str, float]) -> None:
        self.positions = np.array([vocabulary[code] for code in weights], dtype=np.int16)
        shares = np.array(list(weights.values()), dtype=np.float64)
        self._steps = np.cumsum(shares / shares.sum())[:-1]

    def draw(self, rng: np.random.Generator, n: int) -> Ints:
        """Independent codes, shape (n,)."""
        return self.positions[np.searchsorted(self._steps, rng.random(n), side="right")]


def zipf(codes: Sequence[str], exponent: float = 1.0) -> dict[str, float]:
    """Weights 1 / rank^exponent: few codes are common, many are rare."""
    return {code: 1.0 / rank**exponent for rank, code in enumerate(codes, start=1)}


# --- diagnoses (ICD-10-CM, no dots) ---------------------------------------------------------------------------------
COMMON_DIAGNOSES = (
    "Z0000 I10 E785 Z23 J069 F411 Z1231 K219 F329 E039 R05 M25561 J309 N390 E669 M542 R5383 J029 Z01419 G4733 M25511 "
    "R079 R109 H5213 J0190 E559 R0602 Z1211 M170 M1711 L700 R51 F909 H6691 G43909 J209 B349 R42 I4891 N529 M79671 "
    "M79601 L309 R002 N401 K5900 R1013 R600 H2513 F1020 F17210 Z6830 D509 M810 H409 K589 N951 M7061 L821 L570 Z3009 "
    "B351 R319 R111 M7711 G5600 M722 H1045 T7840XA R232 I480 K648 L0291 N920 R21 R197 M1712 H9193 J0300 N200 Z7901 "
    "S93401A S8391XA M2550 R0981 H5711 M109 F419 F4323 F5101 J3489 R0789 N3281 M24811 M67911 L989 L299 R739 E8881 "
    "Z86010"
).split()

LOW_BACK_PAIN = {
    "M545": 0.46, "M5416": 0.13, "M5417": 0.05, "M5441": 0.04, "M5442": 0.04, "M5431": 0.02, "M5126": 0.05,
    "M5116": 0.04, "M5136": 0.06, "M47816": 0.05, "M4806": 0.04, "S39012A": 0.06, "S335XXA": 0.02, "M961": 0.01,
}  # fmt: skip
CHIROPRACTIC_DIAGNOSES = {"M9903": 0.45, "M545": 0.35, "M9901": 0.12, "M542": 0.08}
NOT_THE_BACK = {"M25551": 0.4, "R109": 0.2, "M25552": 0.2, "R102": 0.2}
OTHER_JOINTS = {"M25561": 0.3, "M25511": 0.25, "M542": 0.2, "M1711": 0.15, "M7711": 0.1}
# Codes that were split: the code before, the first day of the new one, the code from then on.
SPLIT_CODES = (("M4806", date(2017, 10, 1), "M48061"), ("M545", date(2021, 10, 1), "M5450"))
NEGATIVE_CONTROLS = {"impacted_cerumen": "H6123", "ingrowing_nail": "L600", "contact_dermatitis": "L259"}
PREGNANCY_VISIT, DELIVERY = "O0993", "O80"
TRAUMA = "S32010A"
EMERGENCIES = (
    "R079 R109 R51 S0990XA J069 R55 S61219A N390 R112 J189 S93401A K529 T7840XA I10 L03115 M545 R42 F1010"
).split()

# Conditions that members carry for life: share at age 50, growth per ten years of age, and the code on their claims.
# The first ten are of the Charlson index (Quan 2005); the others make members ineligible for the study.
CONDITIONS: dict[str, tuple[float, float, str]] = {
    "diabetes": (0.085, 1.45, "E119"),
    "diabetes_complicated": (0.030, 1.55, "E1122"),
    "pulmonary": (0.085, 1.15, "J449"),
    "rheumatic": (0.022, 1.20, "M069"),
    "heart_failure": (0.012, 2.00, "I509"),
    "myocardial_infarction": (0.015, 1.80, "I252"),
    "peripheral_vascular": (0.012, 1.80, "I739"),
    "cerebrovascular": (0.012, 1.80, "I639"),
    "renal": (0.018, 1.80, "N184"),
    "mild_liver": (0.018, 1.10, "K760"),
    "severe_liver": (0.0015, 1.30, "K7290"),
    "peptic_ulcer": (0.004, 1.25, "K259"),
    "hemiplegia": (0.002, 1.40, "G8190"),
    "dementia": (0.001, 3.00, "F0390"),
    "cancer": (0.016, 1.60, "C50911"),
    "metastatic_cancer": (0.003, 1.60, "C7951"),
    "benign_neoplasm": (0.020, 1.20, "D229"),
    "aids": (0.0030, 0.90, "B20"),
    "drug_use": (0.0060, 0.70, "F1120"),
    "transplant": (0.0010, 1.10, "Z940"),
    "inflammatory_spine": (0.0020, 1.00, "M459"),
    "gait": (0.0040, 1.90, "R262"),
    "spinal_infection": (0.0003, 1.30, "M4646"),
    "cauda_equina": (0.0002, 1.20, "G834"),
    "steroid_user": (0.0040, 1.20, "Z7952"),
}
CONDITION_NAMES = tuple(CONDITIONS)

DIAGNOSES = Vocabulary(
    [
        *COMMON_DIAGNOSES, *LOW_BACK_PAIN, *CHIROPRACTIC_DIAGNOSES, *NOT_THE_BACK, *OTHER_JOINTS, *EMERGENCIES,
        *(code for _, _, code in CONDITIONS.values()), *NEGATIVE_CONTROLS.values(),
        *(code for split in SPLIT_CODES for code in (split[0], split[2])), PREGNANCY_VISIT, DELIVERY, TRAUMA, "I2510",
    ]
)  # fmt: skip
CONDITION_DIAGNOSES = np.array([DIAGNOSES[code] for _, _, code in CONDITIONS.values()], dtype=np.int16)

common_diagnosis = Mix(DIAGNOSES, zipf(COMMON_DIAGNOSES))
back_diagnosis = Mix(DIAGNOSES, LOW_BACK_PAIN)
chiropractic_diagnosis = Mix(DIAGNOSES, CHIROPRACTIC_DIAGNOSES)
other_diagnosis = Mix(DIAGNOSES, NOT_THE_BACK)
joint_diagnosis = Mix(DIAGNOSES, OTHER_JOINTS)
emergency_diagnosis = Mix(DIAGNOSES, zipf(EMERGENCIES, 0.7))

# --- procedures (CPT and HCPCS numbers) and their fees in dollars -----------------------------------------------------
OFFICE = {"99213": 0.42, "99214": 0.34, "99203": 0.08, "99212": 0.05, "99204": 0.05, "99215": 0.04, "99202": 0.02}
MINOR_PROCEDURES = (
    "36415 85025 80053 80061 93000 84443 83036 81003 87880 90471 90686 96372 20610 71046 11102 17110 77067 45378 92014 "
    "88305 73630 73562 94010 82306 76856 69436 97014 G0439 93306 11721 76705 94640 81001 J3301 G0121 90834 92507 95004 "
    "J1885 J0696 96413 74177 70450 73221 93015 93880 G0008 90837 99395 99396 A4253 99050 Q4081 95810 20605 12001"
).split()
LABORATORY = (
    "80053 85025 80061 83036 84443 82306 81001 36415 82607 87086 83540 84153 85610 86140 80048 82570 82043 87491 84439 "
    "82728 83735 85652 86803 87804 87635 80307 86304 82746"
).split()
DAILY_CARE = (
    "90999 J0887 J1756 J2501 82728 83540 85018 80069 A4657 J0604 G0299 J1270 82310 84100 86706 83970 J1644"
).split()
XRAY, CT, MRI = "xray", "ct", "mri"
STUDIES = {
    "72100": (XRAY, 0.40), "72110": (XRAY, 0.13), "72114": (XRAY, 0.03), "72131": (CT, 0.04), "72132": (CT, 0.01),
    "72148": (MRI, 0.33), "72158": (MRI, 0.06),
}  # fmt: skip
REVENUE_OF_MODALITY = {XRAY: "0320", CT: "0352", MRI: "0612"}
THERAPY_EVALUATION = {"97161": 0.50, "97162": 0.38, "97163": 0.12}
THERAPY = {"97110": 0.12, "97140": 0.32, "97112": 0.20, "97530": 0.22, "97010": 0.08, "97116": 0.06}
EMERGENCY_LEVELS = {"99283": 0.36, "99284": 0.38, "99285": 0.18, "99282": 0.07, "99281": 0.01}
INJECTIONS = {"62323": 0.34, "64483": 0.34, "64493": 0.17, "27096": 0.15}
SURGERIES = {"63030": 0.40, "63047": 0.30, "22612": 0.10, "22630": 0.10, "22633": 0.06, "22558": 0.04}
CHIROPRACTIC = {"98940": 0.30, "98941": 0.62, "98942": 0.08}
FEES = {
    "99213": 92, "99214": 131, "99215": 183, "99202": 73, "99203": 113, "99204": 169, "99212": 56, "99232": 82,
    "72100": 42, "72110": 58, "72114": 70, "72131": 190, "72132": 260, "72148": 430, "72158": 690, "97161": 103,
    "97162": 103, "97163": 103, "97110": 31, "97140": 28, "97112": 35, "97530": 38, "97010": 6, "97116": 30,
    "99281": 60, "99282": 140, "99283": 320, "99284": 610, "99285": 980, "62323": 270, "64483": 250, "64493": 190,
    "27096": 180, "63030": 2400, "63047": 2800, "22612": 4100, "22630": 3900, "22633": 4900, "22558": 4300,
    "98940": 30, "98941": 43, "98942": 55, "36415": 4, "45378": 610, "77067": 140, "96413": 390, "74177": 420,
    "73221": 390, "90999": 260, "59400": 2300,
}  # fmt: skip

PROCEDURES = Vocabulary(
    [
        *OFFICE, *MINOR_PROCEDURES, *LABORATORY, *DAILY_CARE, *STUDIES, *THERAPY_EVALUATION, *THERAPY,
        *EMERGENCY_LEVELS, *INJECTIONS, *SURGERIES, *CHIROPRACTIC, "99232", "59400", "G0283",
    ]
)  # fmt: skip
office_level = Mix(PROCEDURES, OFFICE)
minor_procedure = Mix(PROCEDURES, zipf(MINOR_PROCEDURES))
laboratory_test = Mix(PROCEDURES, zipf(LABORATORY, 0.8))
daily_service = Mix(PROCEDURES, zipf(DAILY_CARE, 0.5))
back_study = Mix(PROCEDURES, {code: share for code, (_, share) in STUDIES.items()})
therapy_evaluation = Mix(PROCEDURES, THERAPY_EVALUATION)
therapy_procedure = Mix(PROCEDURES, THERAPY)
emergency_level = Mix(PROCEDURES, EMERGENCY_LEVELS)
injection_procedure = Mix(PROCEDURES, INJECTIONS)
surgery_procedure = Mix(PROCEDURES, SURGERIES)
chiropractic_procedure = Mix(PROCEDURES, CHIROPRACTIC)

# --- revenue centers. None of imaging here: a revenue line of imaging on a back-pain claim would be a visit of imaging
WARD = {"0250": 0.24, "0300": 0.16, "0270": 0.12, "0301": 0.10, "0258": 0.08, "0272": 0.06, "0730": 0.04, "0305": 0.06,
        "0636": 0.06, "0120": 0.08}  # fmt: skip
EMERGENCY_ROOM = {"0300": 0.5, "0250": 0.3, "0730": 0.2}
REVENUES = Vocabulary([*WARD, *EMERGENCY_ROOM, "0450", "0360", "0278", "0710", *REVENUE_OF_MODALITY.values(), "0821"])
ward_revenue = Mix(REVENUES, WARD)
emergency_revenue = Mix(REVENUES, EMERGENCY_ROOM)
REVENUE_FEES = {"0120": 1400, "0360": 9800, "0278": 12_500, "0450": 700, "0250": 90, "0300": 60, "0710": 800}

MODIFIERS = Vocabulary(["26", "TC", "GP", "95", "25", "59", "RT", "LT", "AT"])
DRGS = Vocabulary("871 470 807 392 291 194 690 603 460 519 683 189".split())
ward_drg = Mix(DRGS, zipf("871 470 392 291 194 690 603 683 189".split(), 0.6))
INPATIENT_PROCEDURES = Vocabulary(["0SG00AJ", "01NB0ZZ", "10E0XZZ", "0SRD0J9", "0DTJ4ZZ", "3E0436Z"])

# --- drugs: invented NDCs, ingredient, days supplied, quantity, dollars -----------------------------------------------
OPIOIDS = {
    "99001010110": ("hydrocodone", 7, 28, 14), "99001010210": ("oxycodone", 7, 28, 18),
    "99001010310": ("tramadol", 10, 40, 12), "99001010410": ("codeine", 5, 20, 11),
    "99001010530": ("morphine", 30, 60, 46), "99001010630": ("tapentadol", 30, 60, 290),
}  # fmt: skip
STEROIDS = {"99002020106": ("prednisone", 6, 21, 9), "99002020206": ("methylprednisolone", 6, 21, 14)}
STEROIDS_DAILY = {"99002020330": ("prednisone", 30, 30, 11)}
OTHER_DRUGS = (
    "atorvastatin lisinopril metformin levothyroxine amlodipine omeprazole losartan albuterol sertraline "
    "hydrochlorothiazide simvastatin montelukast escitalopram rosuvastatin bupropion furosemide metoprolol "
    "pantoprazole trazodone citalopram insulin_glargine warfarin tamsulosin fluoxetine apixaban allopurinol"
).split()
ACUTE_DRUGS = (
    "amoxicillin azithromycin ibuprofen cyclobenzaprine naproxen gabapentin cephalexin fluticasone meloxicam "
    "doxycycline cetirizine ondansetron naloxone benzonatate"
).split()


def _products(ingredients: Sequence[str], first: int, days: int) -> dict[str, tuple[str, int, int, int]]:
    """Invented products; the package digits say nothing."""
    return {
        f"99003{first + place:04d}{days:02d}": (name, days, days, 8 + zlib.crc32(name.encode()) % 60)
        for place, name in enumerate(ingredients)
    }


MAINTENANCE = _products(OTHER_DRUGS, 100, 90)
ACUTE = _products(ACUTE_DRUGS, 700, 10)
PRODUCTS: dict[str, tuple[str, int, int, int]] = {**OPIOIDS, **STEROIDS, **STEROIDS_DAILY, **MAINTENANCE, **ACUTE}
NDCS = Vocabulary(list(PRODUCTS))
opioid_product = Mix(NDCS, zipf(list(OPIOIDS), 0.8))
steroid_product = Mix(NDCS, zipf(list(STEROIDS)))
daily_steroid_product = Mix(NDCS, zipf(list(STEROIDS_DAILY)))
maintenance_product = Mix(NDCS, zipf(list(MAINTENANCE), 0.7))
acute_product = Mix(NDCS, zipf(list(ACUTE), 0.7))

# --- places, plans, providers -----------------------------------------------------------------------------------------
HOME_STATE, HOME_SHARE = "TX", 0.30  # one state holds 30 % of the members
OTHER_STATES = (
    "CA FL NY PA IL OH GA NC MI NJ VA WA AZ MA TN IN MD MO WI CO MN SC AL LA KY OR OK CT UT IA NV AR MS KS NM NE "
    "ID WV HI NH ME RI MT DE SD ND AK DC VT WY"
).split()
# The Census region of the home state.
HOME_REGION = frozenset("TX FL GA NC VA TN MD SC AL LA KY OK AR WV MS DE DC".split())
STATES = Vocabulary([HOME_STATE, *OTHER_STATES])
_others = zipf(OTHER_STATES, 0.8)
_scale = (1 - HOME_SHARE) / sum(_others.values())
state_of_residence = Mix(STATES, {HOME_STATE: HOME_SHARE, **{s: w * _scale for s, w in _others.items()}})
PAYERS = Vocabulary(["Northstar Mutual", "Bluefield Health", "Medallion Advantage"])
PAYER_TYPES = ("commercial", "medicare")
PAYER_TYPE_OF = np.array([0, 0, 1], dtype=np.int8)
PLANS = Vocabulary(["PPO Gold", "PPO Silver", "HMO", "HDHP", "Advantage"])


class Fees:
    """Fee of every code of a vocabulary, in cents; codes without a listed fee get a fixed one from their checksum."""

    def __init__(self, vocabulary: Vocabulary, dollars: Mapping[str, int], least: int, spread: int) -> None:
        self._vocabulary, self._dollars, self._least, self._spread = vocabulary, dollars, least, spread

    @cached_property
    def cents(self) -> Ints:
        """Shape (len(vocabulary),)."""
        return np.array([100 * self._dollar(code) for code in self._vocabulary.codes], dtype=np.int64)

    def _dollar(self, code: str) -> int:
        return self._dollars.get(code, self._least + zlib.crc32(code.encode()) % self._spread)


PROCEDURE_FEES = Fees(PROCEDURES, FEES, least=8, spread=120)
REVENUE_CENTER_FEES = Fees(REVENUES, REVENUE_FEES, least=40, spread=260)
DRUG_FEES = Fees(NDCS, {ndc: product[3] for ndc, product in PRODUCTS.items()}, least=1, spread=1)
