"""What a study and a site say, read and judged as a run would before its first job, without Spark at work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpart.codes import CodeLibrary, code_rows
from counterpart.events import EventPlan, plan_events
from counterpart.protocol import (
    ALL_CLAIMS,
    Clause,
    Site,
    Study,
    code_set_folders,
    content_hash,
    load_mapping,
    load_site,
    load_study,
)
from counterpart.protocol.site import is_address
from counterpart.stages import STAGES, require_codes


def check_documents(study: Path, site: Path | None) -> dict[str, Any]:
    """What was read, for `--json`; under `lines` the same in words. The errors of a run, where there is one."""
    about_study = _check_study(study)
    told: dict[str, Any] = {"study": about_study, "lines": list(_study_in_words(about_study))}
    if site is not None:
        about_site = _check_site(load_site(site))
        told["site"] = about_site
        told["lines"] += _site_in_words(about_site)
    return told


def _check_study(path: Path) -> dict[str, Any]:
    study, folders = load_study(path), code_set_folders(path)
    library = CodeLibrary.load(folders)
    require_codes(study, library)
    used = dict.fromkeys(name for stage in STAGES.values() for name in stage.events(study))
    plan = plan_events(study, library, [*used, *study.events])
    code_rows(dict(enumerate(plan.code_sets.values())))
    return {
        "name": study.name,
        "title": study.title,
        "protocol_hash": content_hash(study),
        "events": {name: _clauses(study, name) for name in plan.names},
        "unused_events": [name for name in study.events if name not in used],
        "code_sets": _code_sets(plan, folders),
    }


def _clauses(study: Study, event: str) -> list[str]:
    return [] if event == ALL_CLAIMS else [_in_words(clause) for clause in study.clauses_of(event)]


def _in_words(clause: Clause) -> str:
    words = [clause.codes, *([f"with {clause.diagnosis}"] if clause.diagnosis else [])]
    words += ["in person"] * clause.in_person + ["by a therapist"] * clause.therapist
    return " ".join(words)


def _code_sets(plan: EventPlan, folders: list[Path]) -> dict[str, dict[str, Any]]:
    """By name, where each was found: in the last folder that has it."""
    return {
        name: {
            "folder": str([folder for folder in folders if (folder / f"{name}.csv").is_file()][-1]),
            "ranges": len(code_set.ranges) + len(code_set.ancestors),
            "content_hash": code_set.content_hash[:16],
        }
        for name, code_set in sorted(plan.code_sets.items())
    }


def _check_site(site: Site) -> dict[str, Any]:
    source = site.source
    about: dict[str, Any] = {"name": site.name, "warehouse": _place(site.warehouse), "reports": _place(site.reports)}
    if source is not None:
        about["source"] = {"layout": source.layout, "place": source.catalog or _place(str(source.path))}
        if source.mapping is not None:
            tables = load_mapping(Path(source.mapping)).tables()
            about["source"] |= {"mapping": _place(source.mapping), "tables": [name for _, name, _ in tables]}
    return about


def _place(folder: str) -> str:
    return folder if is_address(folder) else str(Path(folder).absolute())


def _study_in_words(study: Mapping[str, Any]) -> Iterator[str]:
    yield f"study {study['name']}: {study['title']}"
    yield f"  protocol hash {study['protocol_hash']}"
    yield f"  {len(study['events'])} events:"
    by_own_name = [name for name, clauses in study["events"].items() if clauses == [name]]
    for name, clauses in study["events"].items():
        plain = "every claim line" if name == ALL_CLAIMS else "; ".join(clauses)
        note = " (defined, and used nowhere)" if name in study["unused_events"] else ""
        if name not in by_own_name or note:
            yield f"    {name}: {plain}{note}"
    yield f"    code sets by their own names: {', '.join(by_own_name) or 'none'}"
    yield f"  {len(study['code_sets'])} code sets:"
    for folder in dict.fromkeys(found["folder"] for found in study["code_sets"].values()):
        names = [name for name, found in study["code_sets"].items() if found["folder"] == folder]
        yield f"    in {folder}: {', '.join(names)}"


def _site_in_words(site: Mapping[str, Any]) -> Iterator[str]:
    yield f"site {site['name']}"
    yield f"  warehouse {site['warehouse']}"
    yield f"  reports {site['reports']}"
    source = site.get("source")
    if source is None:
        yield "  no source: nothing can be ingested"
    else:
        yield f"  source: layout {source['layout']}, {source['place']}"
    if source is not None and "mapping" in source:
        yield f"  mapping {source['mapping']}, of the tables {', '.join(source['tables'])}"
