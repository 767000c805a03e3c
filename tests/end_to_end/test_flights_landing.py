"""The demo's supplier: complete files, the same bytes each time, months one after another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

LAND = Path(__file__).parents[2] / "pipelines" / "flights" / "land.py"


def land(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs land.py into `out`."""
    return subprocess.run(
        [sys.executable, str(LAND), "--out", str(out), *arguments], capture_output=True, text=True, timeout=120
    )


def delivered(out: Path) -> dict[str, bytes]:
    """Every file that was landed, hidden ones included."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing folder with January and the registers."""
    out = tmp_path_factory.mktemp("landing")
    assert land(out, "--months", "1").returncode == 0
    return out


def test_files_are_laid_out_as_documented(january: Path) -> None:
    assert set(delivered(january)) >= {
        "flights/flights-2013-01.csv",
        "weather/weather-2013-01.jsonl",
        "planes/planes.parquet",
        "airports/airports.csv",
        "airlines/airlines.csv",
    }


def test_values_are_as_delivered_and_missing_ones_empty(january: Path) -> None:
    files = delivered(january)
    header, first, *rest = files["flights/flights-2013-01.csv"].decode().splitlines()
    assert header.startswith("year,month,day,dep_time,sched_dep_time,dep_delay")
    assert first == "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
    assert 1 + len(rest) == 27_004
    assert not any("NA" in row.split(",") for row in rest)
    assert sum(row.split(",")[3] == "" for row in rest) == 521
    hours = [json.loads(line) for line in files["weather/weather-2013-01.jsonl"].splitlines()]
    assert len(hours) == 2_226
    assert {type(hour["precip"]) for hour in hours} == {float}
    assert hours[0]["wind_gust"] is None
    planes = pq.read_table(january / "planes" / "planes.parquet")
    assert (planes.num_rows, planes["year"].null_count) == (3_322, 70)


def test_landing_again_touches_nothing(january: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in january.rglob("*")}
    content = delivered(january)
    assert land(january, "--months", "1").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in january.rglob("*")} == before
    assert delivered(january) == content


def test_a_later_month_only_adds_its_files(january: Path) -> None:
    before = delivered(january)
    assert land(january, "--months", "2").returncode == 0
    after = delivered(january)
    assert set(after) - set(before) == {"flights/flights-2013-02.csv", "weather/weather-2013-02.jsonl"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("months", ["0", "13", "3-1", "june", "", "1,,2"])
def test_months_that_are_none_are_refused(tmp_path: Path, months: str) -> None:
    refused = land(tmp_path, "--months", months)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert delivered(tmp_path) == {}
