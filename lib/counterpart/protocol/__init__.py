"""The study document and the site document: YAML in, frozen and checked models out. No Spark here."""

from counterpart.protocol.document import content_hash, load_mapping, load_site, load_study, read_section
from counterpart.protocol.mapping import BROKEN_LINE, SourceMapping, TextFiles
from counterpart.protocol.matching import Matching, StudyMatching
from counterpart.protocol.references import code_set_folders
from counterpart.protocol.section import ALL_CLAIMS
from counterpart.protocol.site import RowRules, Site, Source, SparkSettings, Upkeep
from counterpart.protocol.study import (
    Age,
    ClaimsIndex,
    Clause,
    Cohort,
    ComparatorArm,
    Covariates,
    DataWindow,
    EnrollmentRule,
    EventFlag,
    Exclusion,
    History,
    Outcome,
    Outcomes,
    RosterIndex,
    Scoring,
    Study,
    TreatedArm,
)
from counterpart.protocol.windows import Window

__all__ = [
    "ALL_CLAIMS",
    "BROKEN_LINE",
    "Age",
    "ClaimsIndex",
    "Clause",
    "Cohort",
    "ComparatorArm",
    "Covariates",
    "DataWindow",
    "EnrollmentRule",
    "EventFlag",
    "Exclusion",
    "History",
    "Matching",
    "Outcome",
    "Outcomes",
    "RosterIndex",
    "RowRules",
    "Scoring",
    "Site",
    "Source",
    "SourceMapping",
    "SparkSettings",
    "Study",
    "StudyMatching",
    "TextFiles",
    "TreatedArm",
    "Upkeep",
    "Window",
    "code_set_folders",
    "content_hash",
    "load_mapping",
    "load_site",
    "load_study",
    "read_section",
]
