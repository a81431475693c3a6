"""The folder of a site's reports."""

from __future__ import annotations

import os
from pathlib import Path

from counterpart.errors import EnvironmentProblem
from counterpart.protocol import Site


def make_reports_folder(site: Site, *below: str) -> Path:
    """The folder, or one below it, made where it is missing. EnvironmentProblem if it cannot be written."""
    folder = Path(site.reports, *below)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise EnvironmentProblem(
            f"{folder} cannot be written; the site's `reports` names a folder that the user running this may write to"
        )
    return folder
