"""The demonstration: made-up claims with a planted effect, the whole study, and planted beside found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from counterpart.application import Application
from counterpart.errors import SettingsError
from counterpart.progress import TerminalProgress, say
from counterpart.shipped import shipped_conf
from counterpart.synthetic import SynthSettings, synthesise

STUDY = "msk_imaging"


def run_demo(folder: Path, members: int, seed: int, rate_ratio: float, dirt: str) -> dict[str, Any]:
    """Generate (once), ingest, run, and compare with what was planted. Everything lies below `folder`."""
    settings = SynthSettings(members=members, seed=seed, rate_ratio=rate_ratio, dirt=dirt)
    claims = folder / "claims"
    if not claims.exists():
        progress = TerminalProgress()
        with progress.stage(f"synth, {members:,} members"):
            synthesise(settings, claims, progress.steps("synth: blocks of members"))
    planted = _read_planted(claims)
    _require_same(planted["settings"], settings, folder)
    site = write_demo_site(folder)
    study = shipped_conf() / "studies" / f"{STUDY}.yaml"
    with Application(site, study) as application:
        told = {**application.ingest(None), **application.run_study()}
    ratio = planted["rate_ratios"]["lumbar_imaging"]["90"]
    say(f"Planted: imaging rate ratio {ratio:.2f} within 90 days")
    return told


def write_demo_site(folder: Path) -> Path:
    """The shipped local site, moved to the demo's folder: the path of its document."""
    folder.mkdir(parents=True, exist_ok=True)
    site = yaml.safe_load((shipped_conf() / "sites" / "local.yaml").read_text())
    site |= {"warehouse": str(folder / "tables"), "reports": str(folder / "reports")}
    site["source"] |= {"path": str(folder / "claims")}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site, sort_keys=False))
    return path


def _read_planted(claims: Path) -> dict[str, Any]:
    try:
        planted: dict[str, Any] = json.loads((claims / "truth" / "planted.json").read_text())
    except (OSError, ValueError):
        raise SettingsError(
            f"{claims} holds claims that no demo made; remove the folder or choose another with --folder"
        ) from None
    return planted


def _require_same(planted: dict[str, Any], settings: SynthSettings, folder: Path) -> None:
    asked = {
        "members": settings.members,
        "seed": settings.seed,
        "rate_ratio": settings.rate_ratio,
        "dirt": settings.dirt,
    }
    different = [f"{name} {planted[name]}, not {value}" for name, value in asked.items() if planted[name] != value]
    if different:
        raise SettingsError(
            f"{folder} holds a demo made with {'; '.join(different)}; remove the folder or choose another with --folder"
        )
