"""One function per job: read, transform, write, log. `run_stages` reuses what its content key says is done."""

from counterpart.stages.context import Context
from counterpart.stages.explain import explain_source
from counterpart.stages.ingestion import IngestReport, ingest
from counterpart.stages.profile import Profile, profile_site
from counterpart.stages.publish import Published, publish, tell_empty_arm
from counterpart.stages.reports import make_reports_folder
from counterpart.stages.run import StageRun, prepare, run_stages
from counterpart.stages.study import STAGES, require_codes

__all__ = [
    "STAGES",
    "Context",
    "IngestReport",
    "Profile",
    "Published",
    "StageRun",
    "explain_source",
    "ingest",
    "make_reports_folder",
    "prepare",
    "profile_site",
    "publish",
    "require_codes",
    "run_stages",
    "tell_empty_arm",
]
