"""The templates in conf/schedule, each read by the parser of whom it is for."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.cli.arguments import build_parser, parse_arguments

FOLDER = Path(__file__).parent.parent / "conf" / "schedule"
# crontab(5): minute, hour, day of month, month, day of week.
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def is_schedule(text: str) -> bool:
    """Whether a text is a cron expression: five fields of `*`, numbers, ranges, steps and lists within bounds."""
    fields = text.split()
    return len(fields) == 5 and all(
        _in_field(field, low, high) for field, (low, high) in zip(fields, FIELDS, strict=True)
    )


def _in_field(field: str, low: int, high: int) -> bool:
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
        if match is None:
            return False
        first, last, _ = (None if number is None else int(number) for number in match.groups())
        numbers = [number for number in (first, last) if number is not None]
        if numbers != sorted(numbers) or not all(low <= number <= high for number in numbers):
            return False
    return True


def assert_is_a_command(words: list[str], command: str = "check") -> None:
    """That our own parser takes the command line."""
    assert Path(words[0]).name == "lakehouse"
    assert parse_arguments(build_parser(), words[1:]).command == command


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def units() -> dict[str, configparser.ConfigParser]:
    found = {}
    for name in ("lakehouse-check.service", "lakehouse-check.timer"):
        parser = configparser.ConfigParser(strict=True, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # its documented way to keep upper case
        parser.read_string(read(name))
        found[name] = parser
    return found


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("15 * * * *", True),
        ("*/5 0-6,12 1 1-12/2 7", True),
        ("60 * * * *", False),
        ("* * * *", False),
        ("5-1 * * * *", False),
        ("*/0 * * * *", False),
        ("@hourly", False),
        ("* * 0 * *", False),
    ],
)
def test_the_cron_reader_itself(text: str, holds: bool) -> None:
    assert is_schedule(text) is holds


def test_crontab() -> None:
    lines = [line for line in read("crontab").splitlines() if line and not line.startswith("#")]
    assignments = [line for line in lines if re.match(r"[A-Z]+=", line)]
    jobs = [line for line in lines if line not in assignments]
    assert assignments
    assert jobs
    for job in jobs:
        *fields, command = job.split(None, 5)
        assert is_schedule(" ".join(fields))
        assert "%" not in command  # a newline to cron
        subprocess.run(["sh", "-n", "-c", command], check=True)
        [inner] = re.findall(r"\$\((lakehouse .*?) 2>&1\)", command)
        assert_is_a_command(shlex.split(inner))


def test_a_line_of_the_crontab_speaks_only_of_failures(tmp_path: Path) -> None:
    [job, _] = [line for line in read("crontab").splitlines() if re.match(r"\d", line)]
    command = job.split(None, 5)[5]
    for code, printed in ((0, ""), (3, "rows are bad\nlakehouse check: exit code 3\n")):
        program = tmp_path / "lakehouse"
        program.write_text(f"#!/bin/sh\necho rows are bad\nexit {code}\n")
        program.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PROJECT": "/p"}
        ended = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True)
        assert (ended.returncode, ended.stdout) == (code, printed)


def test_units() -> None:
    found = units()
    service, timer = found["lakehouse-check.service"], found["lakehouse-check.timer"]
    assert service["Service"]["Type"] == "oneshot"
    assert_is_a_command(shlex.split(service["Service"]["ExecStart"]))
    assert timer["Timer"]["Unit"] == "lakehouse-check.service"
    assert timer["Timer"]["OnCalendar"]
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_units_as_systemd_reads_them(tmp_path: Path) -> None:
    for name in units():
        # It insists that the program is there.
        text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={shutil.which('true')}", read(name))
        (tmp_path / name).write_text(text, encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units())], capture_output=True, text=True
    )
    own = [line for line in verified.stderr.splitlines() if "lakehouse-check" in line]
    assert own == []
    calendar = units()["lakehouse-check.timer"]["Timer"]["OnCalendar"]
    subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


def test_cronjob() -> None:
    job: dict[str, Any] = yaml.safe_load(read("cronjob.yml"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", job["metadata"]["name"])  # at most 52 for a CronJob
    spec = job["spec"]
    assert is_schedule(spec["schedule"])
    assert spec["concurrencyPolicy"] in ("Allow", "Forbid", "Replace")
    inner = spec["jobTemplate"]["spec"]
    pod = inner["template"]["spec"]
    assert pod["restartPolicy"] in ("Never", "OnFailure")  # a Job has no other
    [container] = pod["containers"]
    assert container["name"]
    assert container["image"]
    assert_is_a_command([*container["command"], *container["args"]])
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert isinstance(inner["backoffLimit"], int)


def test_airflow_dag() -> None:
    text = read("airflow_dag.py")
    tree = ast.parse(text)
    compile(tree, "airflow_dag.py", "exec")
    calls = {
        name: {keyword.arg: keyword.value for keyword in node.keywords}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        for name in [node.func.id + str(node.lineno)]
    }
    [dag] = [arguments for name, arguments in calls.items() if name.startswith("DAG")]
    assert is_schedule(ast.literal_eval(dag["schedule"]))
    assert ast.literal_eval(dag["catchup"]) is False
    tasks = [arguments for name, arguments in calls.items() if name.startswith("BashOperator")]
    assert [ast.literal_eval(task["task_id"]) for task in tasks] == ["run", "check"]
    assert ast.literal_eval(tasks[1]["retries"]) == 0
    names = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for task, command in zip(tasks, ("run", "check"), strict=True):
        words = eval(ast.unparse(task["bash_command"]), {}, names)
        assert_is_a_command(shlex.split(words), command)
    assert any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift) for node in ast.walk(tree))
