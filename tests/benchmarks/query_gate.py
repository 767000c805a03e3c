"""What the gate costs a query: medians in milliseconds of parsing alone, the gate's parse and walk, Spark's analysis,
and the walk of the analysed plan.

    python tests/benchmarks/query_gate.py [--rounds 25]

The walk is the difference between the first two, and a thread. Run it from the repository's folder.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from lakehouse.storage.session import open_session, stop_session
from tests.benchmarks.machine import describe_machine
from tests.serving.guarded_session import SECURED, Guarded, guard

_PART = (
    "SELECT e.id, e.name, d.title, count(*) OVER (PARTITION BY e.dept) n, CASE WHEN e.id > {0} THEN upper(e.name) "
    "ELSE lower(e.name) END k FROM hr.emp e JOIN hr.dept d USING (dept) "
    "WHERE e.id IN (SELECT max(id) FROM hr.emp GROUP BY dept)"
)
QUERIES = {
    "small": "SELECT id, name FROM hr.emp WHERE id = 2",
    "join and group": "SELECT title, count(*) n, sum(e.id) s FROM hr.emp e JOIN hr.dept d ON e.dept = d.dept "
    "WHERE e.region = 'EU' GROUP BY title HAVING count(*) > 0 ORDER BY n DESC LIMIT 10",
    "large (20 joins)": "WITH "
    + ", ".join(f"a{number} AS ({_PART.format(number)})" for number in range(20))
    + " SELECT * FROM "
    + " UNION ALL SELECT * FROM ".join(f"a{number}" for number in range(20)),
}


def measure(guarded: Guarded, query: str, rounds: int) -> list[float]:
    """Median milliseconds of: parse alone, admit, analysis, check."""
    parser = guarded.session._jsparkSession.sessionState().sqlParser()
    taken = []
    for _ in range(rounds + 3):
        start = time.perf_counter()
        parser.parsePlan(query)
        parsed = time.perf_counter()
        admitted = guarded.gate.admit(query, guarded.known)
        passed = time.perf_counter()
        frame = guarded.gate.frame(admitted)
        analysed = time.perf_counter()
        guarded.gate.check(frame, SECURED)
        checked = time.perf_counter()
        taken.append((parsed - start, passed - parsed, analysed - passed, checked - analysed))
    return [statistics.median(column) * 1000 for column in zip(*taken[3:], strict=True)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=25)
    rounds = arguments.parse_args().rounds
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        guarded = guard(open_session({}, app_name="query-gate"), Path(folder))
        print(f"{'query':18} {'bytes':>6} {'parse':>7} {'admit':>7} {'analyse':>8} {'check':>7}   (median ms)")
        for name, query in QUERIES.items():
            parse, admit, analyse, check = measure(guarded, query, rounds)
            print(f"{name:18} {len(query):6} {parse:7.1f} {admit:7.1f} {analyse:8.1f} {check:7.1f}")
        stop_session()


if __name__ == "__main__":
    main()
