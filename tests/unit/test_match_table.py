"""`counterpart match-table`: a file of one's own in, a folder out, without Spark, and nothing half-written."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterpart import Matching, balance, cli, match
from counterpart.errors import ProtocolError
from counterpart.match_table.command import MATCHING_OPTIONS
from counterpart.match_table.request import read_matching


@pytest.fixture(scope="module")
def units() -> pd.DataFrame:
    random = np.random.default_rng(8)
    n = 240
    table = pd.DataFrame({"unit": [f"{number:05d}" for number in range(n)], "arm": (np.arange(n) % 5 == 0).astype(int)})
    table["sex"], table["age"] = random.choice(["F", "M"], n), random.integers(18, 80, n)
    table["ps"] = 1 / (1 + np.exp(-random.normal(size=n)))
    return table.assign(note="not needed")


ASKED = ["--id", "unit", "--treated", "arm", "--exact", "sex", "--score", "ps", "--caliper", "0.2", "--ratio", "2"]
SETTINGS = Matching(id="unit", treated="arm", exact=("sex",), score="ps", caliper=0.2, ratio=2)


@pytest.mark.parametrize("name", ["units.parquet", "units.csv", "parts"])
def test_a_file_gives_what_match_gives(units: pd.DataFrame, tmp_path: Path, capsys, name: str) -> None:
    path, out = tmp_path / name, tmp_path / "made" / "out"
    if name.endswith("csv"):
        units.to_csv(path, index=False)
    elif name == "parts":
        path.mkdir()
        units[:100].to_parquet(path / "0.parquet")
        units[100:].to_parquet(path / "1.parquet")
    else:
        units.to_parquet(path)
    told = tmp_path / "told.json"
    asked = [str(path), "--out", str(out), *ASKED, "--seed", "3", "--balance", "age, sex", "--json", str(told)]
    assert cli.main(["match-table", *asked]) == 0
    expected = match(units, SETTINGS, seed=3)
    for part in ("pairs", "unmatched", "weights"):
        written = pd.read_parquet(out / f"{part}.parquet")
        pd.testing.assert_frame_equal(written, getattr(expected, part), check_dtype=False, check_exact=True)
    compared = pd.read_csv(out / "balance.csv")
    pd.testing.assert_frame_equal(compared, balance(units, expected, ["age", "sex"]), check_dtype=False)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["n_sets"] == expected.summary["n_sets"] > 0
    assert Matching.model_validate(summary["settings"]) == SETTINGS
    assert json.loads(told.read_text())["out"] == str(out)
    printed = capsys.readouterr()
    assert not [unit for unit in units.unit if unit in printed.out + printed.err]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def pairs_of(path: Path, *asked: str) -> pd.DataFrame:
    out = path.parent / f"{path.name} out"
    assert cli.main(["match-table", str(path), "--out", str(out), "--score", "ps", *asked]) == 0
    return pd.read_parquet(out / "pairs.parquet")


def as_file(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["units.csv", "units.parquet"])
def test_strata_are_apart_that_are_written_apart(tmp_path: Path, name: str) -> None:
    """Of each region a treated unit and a control. Ids may be such words too."""
    regions = ["NA", "None", "null", "n/a", "nan", "", "EU", "01", "1", "1E5", "100000", "1.0", "True", "TRUE"]
    table = pd.DataFrame({"id": regions, "treated": 1, "ps": 0.5, "region": regions})
    controls = table.assign(id=[f"c{region}" for region in regions], treated=0)
    path = as_file(pd.concat([table, controls]).replace("", None).fillna({"id": "blank"}), tmp_path / name)
    pairs = pairs_of(path, "--exact", "region", "--person", "id")
    assert len(pairs) == len(regions)
    assert (pairs.control_id == "c" + pairs.region.fillna("")).all()
    assert (pairs.treated_id == pairs.region.fillna("blank")).all()


@pytest.mark.parametrize("folder", ["arm", "age"])
def test_columns_may_be_in_the_index_of_pandas_or_the_names_of_folders(
    units: pd.DataFrame, tmp_path: Path, folder: str
) -> None:
    asked = [*ASKED, "--calipers", "{age: 5}", "--balance", "age"]
    expected = pairs_of(as_file(units, tmp_path / "units.parquet"), *asked)
    for value, rows in units.set_index(["unit", "sex"]).groupby(folder):
        (tmp_path / "parts" / f"{folder}={value}").mkdir(parents=True)
        rows.drop(columns=folder).to_parquet(tmp_path / "parts" / f"{folder}={value}" / "0.parquet")
    found = pairs_of(tmp_path / "parts", *asked)
    found, expected = (pairs.sort_values(["set_id", "distance"], ignore_index=True) for pairs in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_code_late_in_a_csv_changes_nobody_elses(tmp_path: Path) -> None:
    """Read by pandas, so many columns come 8,192 rows at a time, each time with types of their own."""
    number = np.arange(9_000)
    table = pd.DataFrame({"id": number, "treated": (number == 8_500).astype(int), "ps": 0.5, "code": "2"})
    table.loc[number == 8_999, "code"] = "A"
    table.loc[np.isin(number, (3, 8_500)), "code"] = "1"
    wide = table.assign(**{f"pad_{i}": 0 for i in range(60)})
    pairs = pairs_of(as_file(wide, tmp_path / "units.csv"), "--exact", "code", "--caliper", "null")
    assert pairs[["treated_id", "control_id", "code"]].to_numpy().tolist() == [[8_500, 3, "1"]]


def test_numbers_of_a_csv_are_numbers(tmp_path: Path) -> None:
    """The order of ties is 9, then 10; whole ids have the hash that they have in Parquet; flags are flags."""
    number = np.arange(60)
    table = pd.DataFrame({"id": number * 7, "treated": number % 3 == 0, "ps": 0.5, "visit": number % 4 + 8})
    table["is_old"], table["cost"], table["code"] = number % 2 == 0, number * 1e5 + 0.1, (number % 2) + 10**17
    table["code"] = table.code.astype("Int64").where(number > 9)
    asked = ["--tie-order", "visit", "--exact", "is_old,code", "--calipers", "{cost: 1000000}", "--caliper", "null"]
    asked += ["--balance", "is_old,visit,cost"]
    written, expected = (pairs_of(as_file(table, tmp_path / f"units.{kind}"), *asked) for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(written, expected, check_exact=True)
    assert len(written) > 10
    balances = [(tmp_path / f"units.{kind} out" / "balance.csv").read_text() for kind in ("csv", "parquet")]
    assert balances[0] == balances[1]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *[("ratio", "010", 10), ("ratio", "+7", 7), ("caliper", "1e-3", 0.001), ("caliper", "1E0", 1.0)],
        *[("caliper", ".5", 0.5), ("caliper", "5.", 5.0), ("caliper", "01", 1.0), ("caliper", "null", None)],
        ("calipers", "{age: 1e1, visit: 05, '07': 0.5}", {"age": 10.0, "visit": 5.0, "07": 0.5}),
    ],
)
def test_numbers_are_what_people_write(name: str, text: str, value: object) -> None:
    given = {"score": "ps", "min_ratio": "1", "replace": "yes", name: text}
    assert getattr(read_matching(given, {"min_ratio", "replace", name}), name) == value


@pytest.mark.parametrize("text", ["0x10", "1:30", "1_0", "1e1", "two"])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ProtocolError, match="ratio: must be a whole number"):
        read_matching({"score": "ps", "ratio": text}, {"ratio"})


def test_every_setting_is_an_option() -> None:
    assert set(MATCHING_OPTIONS) == set(Matching.model_fields)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        pytest.param({"--caliper": "-1", "--ratio": "two"}, 10, "has 2 problems", id="settings"),
        pytest.param({"--caliper": "[0.2"}, 10, "--caliper '[0.2' is not valid YAML", id="yaml"),
        pytest.param({"--caliper": ""}, 10, "--caliper '' is empty; leave the option out, or write null", id="empty"),
        pytest.param({"--calipers": '{"age": 5, "age": 9}'}, 10, "age is written twice in one section", id="twice"),
        pytest.param({"--ratio": "9" * 5000}, 10, "is not valid YAML", id="digits"),
        pytest.param({"--score": "score"}, 12, "no column score", id="column"),
        pytest.param({"--balance": "height"}, 12, "no column height", id="covariate"),
        pytest.param({"--task-bytes": "2000000"}, 14, "--task-bytes is for --spark", id="task bytes"),
        pytest.param({"--catalog": ""}, 14, "--catalog is for --spark", id="catalog"),
        pytest.param({"--score": "age"}, 13, "not strictly between 0 and 1 in 240 of 240", id="values"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_written(
    units: pd.DataFrame, tmp_path: Path, capsys, changes: dict[str, str], code: int, message: str
) -> None:
    units.to_parquet(tmp_path / "units.parquet")
    asked = [part for pair in changes.items() for part in pair if part or pair[0] != "--catalog"]
    arguments = ["match-table", str(tmp_path / "units.parquet"), "--out", str(tmp_path / "out"), *ASKED, *asked]
    assert cli.main(arguments) == code
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["units.parquet"]


def test_files_and_folders_that_cannot_be_used(units: pd.DataFrame, tmp_path: Path, capsys) -> None:
    path = tmp_path / "units.parquet"
    out = ["--out", str(tmp_path / "out"), *ASKED]
    assert cli.main(["match-table", str(path), *out]) == 13
    assert "does not exist" in capsys.readouterr().err
    path.write_text("no Parquet at all")
    assert cli.main(["match-table", str(path), *out]) == 13
    assert "cannot be read as Parquet" in capsys.readouterr().err
    assert cli.main(["match-table", str(path), "--out", str(tmp_path), *ASKED]) == 14
    assert "exists already" in capsys.readouterr().err


def test_numbers_are_read_however_they_are_written(tmp_path: Path) -> None:
    texts = ["1", "+1.0", " 1. ", "1e0", "1E+0", "10e-1", ".1e1", "001"]
    rows = [f"{i},{arm},0.5,{text}" for i, (text, arm) in enumerate((text, arm) for text in texts for arm in (1, 0))]
    (tmp_path / "units.csv").write_text("\n".join(["id,treated,ps,age", *rows, "99,0,0.5,-1"]))
    assert len(pairs_of(tmp_path / "units.csv", "--calipers", "{age: 0}")) == 8


def csv_like(*lines: str) -> bytes:
    return "\n".join(["id,treated,ps", *lines]).encode()


NO_CSV = {
    "more.csv": (csv_like("1,1,.5", "2,0,.4,3", "3,0,.4,4"), 13, "1 to 10 rows with more or fewer fields"),
    "first.csv": (csv_like("Smith,J,1,.5", "2,0,.4"), 13, "the first of them row 2 (the heading is row 1)"),
    "fewer.csv": (csv_like("1,1,.5", "2,0"), 13, "the first of them row 3"),
    "cut.csv.gz": (gzip.compress(csv_like(*["1,1,.5"] * 9))[:40], 13, "cannot be read as CSV: OSError"),
    "no.csv.gz": (csv_like("1,1,.5"), 13, "cannot be read as CSV: OSError"),
    "latin.csv": (csv_like("1,1,.5", "\xe9,0,.4").decode().encode("latin-1"), 13, "read as CSV: ArrowInvalid"),
    "empty.csv": (b"", 13, "cannot be read as CSV: ArrowInvalid"),
    "semicolon.csv": (b"id;treated;ps\n1;1;.5\n", 12, "no column id, treated, ps"),
    "twice.csv": (b"id,treated,ps,id\n1,1,.5,1\n", 12, "more than one column id"),
    "words.csv": (csv_like("1,1,.5", "2,0,NA"), 13, "ps is missing in 1 to 10 of 1 to 10 units"),
    "infinite.csv": (csv_like("1,1,.5", "2,0,-Inf"), 13, "ps is not finite in 1 to 10 of 1 to 10 units"),
    "nobody.csv": (csv_like(""), 0, ""),
    "text.csv": (csv_like("1,1,.5", "2,0,low"), 13, "ps must hold numbers"),
}


@pytest.mark.parametrize("name", NO_CSV)
def test_what_is_no_csv(tmp_path: Path, capsys, name: str) -> None:
    content, code, message = NO_CSV[name]
    (tmp_path / name).write_bytes(content)
    assert cli.main(["match-table", str(tmp_path / name), "--score", "ps", "--out", str(tmp_path / "out")]) == code
    told = capsys.readouterr().err
    assert message in told
    assert "Smith" not in told


def test_a_folder_of_files_that_do_not_fit_together(units: pd.DataFrame, tmp_path: Path, capsys) -> None:
    for name, table in (("0", units), ("1", units.assign(ps=pd.Timestamp("2020-01-31")))):
        table.to_parquet(tmp_path / f"{name}.parquet")
    assert cli.main(["match-table", str(tmp_path), "--out", str(tmp_path / "out"), *ASKED]) == 13
    assert "cannot be read as Parquet: ArrowNotImplementedError" in capsys.readouterr().err


def test_files_of_a_delta_table_are_no_table(units: pd.DataFrame, tmp_path: Path, capsys) -> None:
    """Some of them hold rows that were taken out."""
    folder = tmp_path / "units"
    (folder / "_delta_log").mkdir(parents=True)
    units.to_parquet(folder / "part-0.parquet")
    assert cli.main(["match-table", str(folder), "--out", str(tmp_path / "out"), *ASKED]) == 13
    assert "which only Spark can read: match it with --spark" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["units.parquet"], "one of the arguments --out --plan is required"),
        (["units.parquet", "--plan", "--out", "x"], "not allowed with argument"),
        (["units.parquet", "--plan", "--seed", "9223372036854775808"], "is not a whole number from -2^63 to 2^63 - 1"),
        (["units.parquet", "--plan", "--exact", ""], "argument --exact: names no column; leave the option out"),
        (["units.parquet", "--plan", "--balance", "age,,sex"], "'age,,sex' has an empty name"),
        (["units.parquet", "--plan", "--seed", "1.5"], "'1.5' is not a whole number"),
        (["units.parquet", "--plan", "--task-bytes", "1k"], "'1k' is not a number of bytes, from 1048576 on"),
    ],
)
def test_a_plan_or_a_folder(asked: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["match-table", *asked])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_it_needs_no_spark(units: pd.DataFrame, tmp_path: Path) -> None:
    units.to_parquet(tmp_path / "units.parquet")
    asked = ["match-table", str(tmp_path / "units.parquet"), "--out", str(tmp_path / "out"), *ASKED]
    probe = f"import sys\nsys.modules['pyspark'] = None\nfrom counterpart.cli import main\nsys.exit(main({asked!r}))"
    subprocess.run([sys.executable, "-c", probe], check=True, timeout=120)
    assert (tmp_path / "out" / "pairs.parquet").exists()
