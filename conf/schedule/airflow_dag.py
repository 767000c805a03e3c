"""An Airflow DAG: run the pipeline, then check what it published. Copy into the DAGs folder and change the paths.

The check has no retries: an expectation that is not met (exit code 3) is not met the second time either.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

LAKEHOUSE = "/opt/lakehouse/.venv/bin/lakehouse"
PROJECT = "/srv/pipelines/flights"

with DAG(
    dag_id="flights",
    schedule="15 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["lakehouse"],
) as dag:
    run = BashOperator(task_id="run", bash_command=f"{LAKEHOUSE} run --project {PROJECT} --json")
    check = BashOperator(
        task_id="check",
        bash_command=f"{LAKEHOUSE} check --project {PROJECT} --json",
        retries=0,
        # Also when the run failed: what readers still see can be judged, and freshness shows that it grows old.
        trigger_rule="all_done",
    )
    run >> check
