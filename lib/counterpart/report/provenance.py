"""Where the numbers come from: the propensity model, the source rows, versions and keys, the protocol as it was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from counterpart.report.reading.bins import EQUIPOISE, shares_by_bin
from counterpart.report.reading.formats import count, signed
from counterpart.report.reading.words import LEFT_OUT, covariate, fate, listed, spell, tell_covariates
from counterpart.tables import ARMS


def build_model(document: Mapping[str, Any]) -> dict[str, Any]:
    """Diagnostics of the propensity model: facts (name, value), terms left out by reason, separated, warnings."""
    score = document["score"]
    told = {row["name"]: " ".join(part for part in covariate(row) if part) for row in document["balance"]}
    left_out: dict[str, list[str]] = {}
    for name, reason in score["left_out"].items():
        left_out.setdefault(LEFT_OUT.get(reason, reason), []).append(told.get(name, name))
    fit = {True: "yes", False: "no", None: "withheld"}[score["converged"]]
    return {
        "facts": [
            ("c-statistic", signed(score["c_statistic"], 3)),
            ("Sampled treated index dates", count(score["n_sampled_treated"])),
            ("Sampled comparator index dates", count(score["n_sampled_comparators"])),
            ("Converged", f"{fit}, {score['n_iterations']} iterations" if score["n_iterations"] else fit),
            ("Caliper on the logit", signed(document["matching"]["caliper_width"], 4)),
            ("Mean distance in pairs", signed(document["matching"]["mean_distance"], 4)),
            ("Largest distance in pairs", signed(document["matching"]["largest_distance"], 4)),
        ],
        "left_out": sorted(left_out.items()),
        "separated": [told.get(name, name) for name in score["separated"]],
        "warnings": [tell_covariates(warning, document) for warning in score["warnings"]],
    }


def equipoise(document: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """(label of the arm, share of its eligible units with a preference score in equipoise, from the shown bins)."""
    told = []
    for arm in ARMS:
        bins = shares_by_bin(document, "before", arm)
        first, last = (round(edge * len(bins)) for edge in EQUIPOISE)
        inside = bins[first:last]
        known = [one for one in inside if one is not None]
        is_known = bool(inside) and len(known) == len(inside)
        told.append((document["protocol"]["cohort"][arm]["label"], sum(known) if is_known else None))
    return told


def build_intake(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """INTAKE -> a source: rows received, and rows by fate; merged fates together."""
    sources: dict[str, dict[str, Any]] = {}
    for row in document["intake"]:
        source = sources.setdefault(row["source"], {"name": spell(row["source"]), "n_rows": None, "fates": []})
        if row["fates"] == ["in"]:
            source["n_rows"] = row["n_rows"]
        else:
            source["fates"].append((listed([fate(name) for name in row["fates"]]), row["n_rows"]))
    return list(sources.values())


# As they write themselves; the others do so in small letters.
_SOFTWARE = {"delta": "Delta Lake", "mlflow": "MLflow", "numpy": "NumPy", "python": "Python", "spark": "Spark"}


def build_provenance(document: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and keys as rows, the code sets behind each event, and the protocol as the document it was."""
    run, protocol = document["run"], document["protocol"]
    stages, code = run.get("stages", {}), run.get("code_version", {})
    return {
        "facts": [
            ("Study", protocol["name"]),
            ("Protocol hash", run.get("protocol_hash", "–")),
            ("Run", run.get("run_id", "–")),
            ("Seed", str(protocol["seed"])),
            *((_SOFTWARE.get(name, name), version) for name, version in sorted(run.get("versions", {}).items())),
        ],
        "stages": [
            {
                "name": name,
                "key": stages[name].get("key", "–"),
                "code": code.get(name, "–"),
                "finished_at": stages[name].get("finished_at", "–"),
                "other_versions": ", ".join(
                    f"{_SOFTWARE.get(software, software)} {version}"
                    for software, version in sorted(stages[name].get("other_versions", {}).items())
                ),
            }
            for name in sorted(stages, key=lambda name: (str(stages[name].get("finished_at")), name))
        ],
        "tables": sorted(run.get("table_versions", {}).items()),
        "events": [(spell(name), [_clause(one) for one in clauses]) for name, clauses in protocol["events"].items()],
        "protocol": yaml.safe_dump(dict(protocol), sort_keys=False, allow_unicode=True, width=100),
    }


def _clause(clause: Mapping[str, Any]) -> str:
    extras = [f"with {clause['diagnosis']} on the claim"] if clause["diagnosis"] else []
    extras += ["in person"] if clause["in_person"] else []
    extras += ["by a therapist"] if clause["therapist"] else []
    return ", ".join([clause["codes"], *extras])
