"""Where the documents that counterpart ships lie: studies, code sets and sites."""

from __future__ import annotations

from pathlib import Path

NO_FILES = (
    "counterpart reads its own files: install it, or ship an environment with --archives; a zip for --py-files will "
    "not do (docs/schedules.md)"
)


def shipped_conf() -> Path:
    """The folder of studies, code sets, sites and mappings: inside the wheel's package, else the checkout's `conf`."""
    package = Path(__file__).resolve().parent
    in_wheel = package / "conf"
    return in_wheel if in_wheel.is_dir() else package.parents[1] / "conf"
