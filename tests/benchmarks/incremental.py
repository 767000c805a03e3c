"""What a refresh after a change costs beside a full one, on TPC-H, in one warm session.

    python tests/benchmarks/incremental.py --scale 1 [--fractions 0.001,0.01] [--views q01,order_lines | --all]
        [--parts views,graph,unchanged] [--rounds 3] [--no-overwrite] [--sdp-python VENV/bin/python]
        [--json FILE]

- views: after a change that touches a share of the orders, each view is refreshed as the product chooses, and in a
  second warehouse in full, both by its own `run`. Seconds are of the step alone. All fractions share one set of
  sources that keeps changing, about equal in size; nothing is restored.
- graph: twelve views in two layers as a whole, beside a hand-written pipeline that overwrites every table in the same
  Spark, and beside Spark Declarative Pipelines in a process of its own (its start is part of its time).
- unchanged: a run with nothing to do.

Megabytes read are what this process and Spark's took in by read calls, from files and from each other.

After every change all sides must hold the same rows, or it ends. A choice is wrong if a refresh was not full and a full
one is more than 1.2 times as fast; where it was full, no other way was timed. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).parents[2]))

from lakehouse.storage.session import isolated_session, open_session, stop_session
from tests.benchmarks.incremental_cells import (
    WRONG,
    Cell,
    GraphCell,
    Place,
    chained_views,
    measure_graph,
    measure_unchanged,
    measure_views,
)
from tests.benchmarks.incremental_peers import OverwritePipeline, SdpPipeline
from tests.benchmarks.machine import describe_machine
from tests.tpch.changes import Round
from tests.tpch.data import copy_tables, prepare_tables
from tests.tpch.projects import KINDS, MEDALLION, QUERIES, View, define_sources, read_views

FRACTIONS = (0.0001, 0.001, 0.01, 0.1, 0.5)
PARTS = ("views", "graph", "unchanged")
SOME_QUERIES = ("q01", "q03", "q06", "q13", "q15", "q18", "q22")  # beside one view of each kind
UNCHANGED_VIEWS = 50
WARM_SECONDS = 3600.0  # lets the session compile for long work, as a scheduler's does that runs for hours


def main() -> None:
    """Measures the chosen parts and prints their tables."""
    options = _arguments()
    scratch = tempfile.TemporaryDirectory(prefix="incremental-", dir=options.work)
    folder = Path(scratch.name)
    generated = prepare_tables(options.scale, options.cache or folder / "cache")
    spark = open_session({}, app_name="incremental", master=f"local[{os.cpu_count()}]", expected_seconds=WARM_SECONDS)
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "scale": options.scale,
        "fractions": options.fractions,
        "rounds": options.rounds,
    }
    print(f"{result['machine']}\nscale {options.scale:g}, load {os.getloadavg()[0]:.1f}")
    try:
        for part in options.parts:
            # Each part changes sources of its own, so that its figures do not depend on the other parts.
            place = _place(spark, generated, folder / part, options.scale)
            result |= _measure(part, place, options)
    finally:
        stop_session()
        scratch.cleanup()
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _measure(part: str, place: Place, options: argparse.Namespace) -> dict[str, Any]:
    rounds = tuple(
        Round(seed=1 + index, fraction=fraction)
        for index, fraction in enumerate(fraction for fraction in options.fractions for _ in range(options.rounds))
    )
    if part == "views":
        cells = measure_views(place, _chosen_views(options), rounds)
        wrong = print_views(cells)
        return {"views": [{**asdict(cell), "ratio": cell.ratio} for cell in cells], "wrong_choices": wrong}
    if part == "graph":
        views = read_views(MEDALLION, place.scale)
        sdp = None if options.sdp_python is None else _sdp(options.sdp_python, views, place)
        by_hand = OverwritePipeline(place.session, views, place.folder / "overwrite") if options.overwrite else None
        graph_cells = measure_graph(place, views, MEDALLION, rounds, by_hand, sdp)
        print_graph(graph_cells, len(views))
        return {"graph": [asdict(cell) for cell in graph_cells]}
    (one,) = (view for view in read_views(KINDS, place.scale) if view.name == "kinds.revenue_by_day")
    seconds = {
        "view": measure_unchanged(place, (one,), "one"),
        f"graph of {UNCHANGED_VIEWS}": measure_unchanged(place, chained_views(UNCHANGED_VIEWS), "unchanged"),
    }
    print("\nA run with nothing to do, in process")
    for name, taken in seconds.items():
        print(f"  {name:<12} {taken:>8.3f} s")
    return {"unchanged": seconds}


def print_views(cells: Sequence[Cell]) -> dict[str, int]:
    """The table of views, medians over rounds; returns the number of wrong choices and of what they are out of."""
    print("\nSeconds of one view's refresh: as chosen, and in full")
    print(
        f"{'view':<30} {'fraction':>8} {'mode':<11} {'chosen':>8} {'full':>8} {'times':>6} "
        f"{'rows changed':>12} {'rows in':>11} {'rows written':>12} {'MB read':>9} {'in full':>9}"
    )
    for key in dict.fromkeys((cell.view, cell.fraction) for cell in sorted(cells, key=lambda cell: cell.view)):
        same = [cell for cell in cells if (cell.view, cell.fraction) == key]
        auto, full = (statistics.median(getattr(cell, name) for cell in same) for name in _SIDES)
        modes = "/".join(dict.fromkeys(cell.mode for cell in same))
        changed, rows_in, rows_out = (
            statistics.median(values)
            for values in (
                [cell.changed for cell in same],
                [cell.auto_figures["rows_in"] for cell in same],
                [cell.auto_figures["rows_out"] for cell in same],
            )
        )
        read, full_read = (statistics.median(getattr(cell, name) for cell in same) / 1e6 for name in _BYTES)
        times = f"{full / auto:.1f}x" if auto else "-"  # a skipped step takes no time
        mark = "  wrong" if any(cell.is_wrong for cell in same) else ""
        print(
            f"{key[0]:<30} {key[1]:>8g} {modes:<11} {auto:>8.3f} {full:>8.3f} {times:>6} "
            f"{changed:>12,.0f} {rows_in:>11,.0f} {rows_out:>12,.0f} {read:>9,.1f} {full_read:>9,.1f}{mark}"
        )
    timed_both = [cell for cell in cells if cell.mode not in ("full", "skip")]
    same_work = [cell.ratio for cell in cells if cell.mode == "full" and cell.ratio is not None]
    if same_work:
        print(f"both full: median ratio {statistics.median(same_work):.2f} (1 if nothing favours a side)")
    wrong = {
        "wrong": sum(cell.is_wrong for cell in cells),
        "not_full": len(timed_both),
        "full": sum(cell.mode == "full" for cell in cells),
        "skipped": sum(cell.mode == "skip" for cell in cells),
    }
    print(
        f"wrong choices (more than {WRONG:g} times as slow as full): {wrong['wrong']} of {wrong['not_full']}; "
        f"{wrong['full']} refreshes were full, {wrong['skipped']} skipped"
    )
    return wrong


def print_graph(cells: Sequence[GraphCell], size: int) -> None:
    """The table of the whole graph, medians over rounds."""
    print(f"\nSeconds of a graph of {size} views: as chosen, in full, overwritten by hand, by SDP (its start included)")
    print(
        f"{'fraction':>8} {'chosen':>8} {'full':>8} {'times':>6} {'by hand':>8} {'times':>6} {'SDP':>8} {'times':>6} "
        f"{'rows changed':>12} {'rows written':>12} {'MB read':>9} {'in full':>9}  modes"
    )
    for fraction in dict.fromkeys(cell.fraction for cell in cells):
        same = [cell for cell in cells if cell.fraction == fraction]
        auto, full = (statistics.median(getattr(cell, name) for cell in same) for name in _SIDES)
        by_hand = _beside(auto, [cell.overwrite_seconds for cell in same])
        sdp = _beside(auto, [cell.sdp_seconds for cell in same])
        changed, written = (statistics.median(getattr(cell, name) for cell in same) for name in _COUNTS)
        read, full_read = (statistics.median(getattr(cell, name) for cell in same) / 1e6 for name in _BYTES)
        modes = ", ".join(f"{count} {mode}" for mode, count in sorted(same[-1].modes.items()))
        print(
            f"{fraction:>8g} {auto:>8.2f} {full:>8.2f} {full / auto:>5.1f}x {by_hand} {sdp} "
            f"{changed:>12,.0f} {written:>12,.0f} {read:>9,.1f} {full_read:>9,.1f}  {modes}"
        )


def _beside(auto: float, peer: Sequence[float | None]) -> str:
    known = [seconds for seconds in peer if seconds is not None]
    median = statistics.median(known) if known else None
    return f"{'-':>8} {'-':>6}" if median is None else f"{median:>8.2f} {median / auto:>5.1f}x"


_SIDES = ("auto_seconds", "full_seconds")
_BYTES = ("auto_bytes", "full_bytes")
_COUNTS = ("changed", "rows_written")


def _chosen_views(options: argparse.Namespace) -> tuple[View, ...]:
    queries, kinds = read_views(QUERIES, options.scale), read_views(KINDS, options.scale)
    known = {view.name.partition(".")[2]: view for view in (*kinds, *queries)}
    if options.views:
        unknown = set(options.views) - known.keys()
        if unknown:
            sys.exit(f"no such view: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return tuple(known[name] for name in options.views)
    if options.all:
        return (*kinds, *queries)
    return (*kinds, *(known[name] for name in SOME_QUERIES))


def _place(spark: SparkSession, generated: Path, folder: Path, scale: float) -> Place:
    sources = copy_tables(generated, folder / "sources")
    plain = isolated_session(spark, {"spark.sql.session.timeZone": "UTC"})
    define_sources(plain, sources)
    return Place(session=plain, sources=sources, folder=folder, scale=scale)


def _sdp(python: Path, views: tuple[View, ...], place: Place) -> SdpPipeline:
    # As much memory as this process's Spark, and as many partitions.
    settings = {
        "spark.driver.memory": str(place.session.sparkContext.getConf().get("spark.driver.memory", "1g")),
        "spark.sql.shuffle.partitions": str(place.session.conf.get("spark.sql.shuffle.partitions")),
    }
    return SdpPipeline(python, views, place.sources, settings)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor (default 1)")
    parser.add_argument("--fractions", type=_numbers, default=list(FRACTIONS), help="shares of the orders to touch")
    parser.add_argument("--rounds", type=int, default=1, help="changes of each fraction; medians are printed")
    parser.add_argument("--parts", type=_names, default=list(PARTS), help=f"any of {','.join(PARTS)} (default: all)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--views", type=_names, help="names of views, without schema")
    which.add_argument("--all", action="store_true", help="all 22 queries beside the view of each kind")
    parser.add_argument(
        "--no-overwrite", dest="overwrite", action="store_false", help="leave out the pipeline written by hand"
    )
    parser.add_argument("--sdp-python", type=Path, help="a Python with pyspark[pipelines]==4.1.4")
    parser.add_argument("--cache", type=Path, help="folder that keeps the generated tables from run to run")
    parser.add_argument("--work", type=Path, help="folder for all else (default: the system's temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not all(0 < fraction < 1 for fraction in options.fractions):
        parser.error("fractions lie between 0 and 1")
    return options


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()
