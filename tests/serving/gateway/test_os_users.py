"""The boundary for real: a gateway that runs as a user of its own, and another user of the same machine.

Where the tests run as root, they make two users and remove them at the end. The gateway's user alone can read the
warehouse; the other opens nothing, and gets through the gateway what the rules give.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lakehouse
from lakehouse.storage.jars import delta_jars
from tests.serving.gateway.hr_project import make_hr_project
from tests.serving.gateway.served_process import secret_of, serving
from tests.serving.guarded_tables import FORBIDDEN

if sys.platform != "win32":
    import pwd

_MISSING = [tool for tool in ("useradd", "userdel", "setpriv") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux only"),
    pytest.mark.skipif(getattr(os, "geteuid", lambda: -1)() != 0, reason="only root can make users"),
    pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}"),
]

CLIENT = """
import json, sys
import lakehouse
address, token, *queries = sys.argv[1:]
found = {}
with lakehouse.connect(address, token=token) as connection:
    for query in queries:
        try:
            found[query] = connection.sql(query).to_arrow().to_pylist()
        except lakehouse.errors.LakehouseError as error:
            found[query] = type(error).__name__
print(json.dumps(found))
"""
THIEF = """
import json, os, sys
found = {}
for path in sys.argv[1:]:
    for name, look in (("open", lambda: open(path).read(1)), ("list", lambda: os.listdir(path))):
        try:
            look()
            found[f"{name} {path}"] = "done"
        except Exception as error:
            found[f"{name} {path}"] = type(error).__name__
print(json.dumps(found))
"""
DELTA = "import sys; from deltalake import DeltaTable; print(DeltaTable(sys.argv[1]).version())"


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A user of this machine with a home folder that nobody else can enter."""

    name: str
    home: Path
    python: str
    jars: Path

    def command(self, *arguments: str) -> list[str]:
        """A command line that runs Python as this user."""
        return [*as_user(self.name), self.python, *arguments]

    def environment(self) -> dict[str, str]:
        given = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(self.home)}
        places = {
            "PYTHONPATH": os.pathsep.join(import_folders()),
            "LAKEHOUSE_JARS": str(self.jars),
            "LAKEHOUSE_CLASS_ARCHIVE": "off",
        }
        return {**given, **places, **{key: os.environ[key] for key in ("JAVA_HOME",) if key in os.environ}}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python as this user, to its end."""
        return subprocess.run(self.command(*arguments), env=self.environment(), cwd="/", capture_output=True, text=True)


def as_user(name: str) -> list[str]:
    return ["setpriv", "--reuid", name, "--regid", name, "--init-groups", "--"]


def import_folders() -> list[str]:
    """Where this package and those it needs are."""
    return [str(Path(lakehouse.__file__).parents[1]), *(path for path in sys.path if path.endswith("site-packages"))]


def readable_python(name: str) -> str | None:
    """An interpreter that this user can run, and that has this one's packages. One inside of root's home is none."""
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, system):
        command = [*as_user(name), python, "-c", "import lakehouse, pyspark, pyarrow.flight, deltalake"]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(import_folders())}
        try:
            if subprocess.run(command, env=environment, cwd="/", capture_output=True).returncode == 0:
                return python
        except OSError:
            continue
    return None


@contextmanager
def user(name: str, jars: Path) -> Iterator[SystemUser]:
    """Makes the user, and removes it with its home folder and what of its processes is left."""
    home = Path("/home") / name
    subprocess.run(["useradd", "--create-home", "--home-dir", str(home), name], check=True, capture_output=True)
    try:
        home.chmod(0o700)
        python = readable_python(name)
        if python is None:
            pytest.skip("no Python that another user can run has the packages of this one")
        yield SystemUser(name, home, python, jars)
    finally:
        end_processes(pwd.getpwnam(name).pw_uid)
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)
        shutil.rmtree(f"/tmp/hsperfdata_{name}", ignore_errors=True)


def end_processes(uid: int) -> None:
    """Waits for the processes of a user that this test made; ends those that do not end by themselves."""
    ends = time.monotonic() + 60
    while running := processes_of(uid):
        if time.monotonic() > ends:
            for process in running:
                os.kill(process, signal.SIGKILL)
            ends += 60
        time.sleep(0.1)


def processes_of(uid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.stat().st_uid == uid and "\nState:\tZ" not in (place / "status").read_text():
                found.append(int(place.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


@dataclass(frozen=True, slots=True)
class Machine:
    """The two users, the gateway's process and address, its project, and a token of ana's."""

    gateway: SystemUser
    other: SystemUser
    process: int
    address: str
    project: Path
    token: str


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with ExitStack() as stack:
        jars = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jars.chmod(0o755)
        for file in delta_jars().files:
            shutil.copyfile(file, jars / file.name)
            (jars / file.name).chmod(0o444)
        number = os.getpid()
        gateway = stack.enter_context(user(f"lhgw{number}", jars))
        other = stack.enter_context(user(f"lhuser{number}", jars))
        project = make_hr_project(gateway.home / "hr")
        with (project / "spark-pipeline.yml").open("a") as spec:
            spec.write(f"configuration: {{spark.local.dir: {gateway.home / 'spark'}}}\n")
        give_to(gateway.name, project)
        token = secret_of(
            gateway.run("-m", "lakehouse", "token", "create", "ana@corp", "--json", "--project", str(project))
        )
        command = gateway.command("-m", "lakehouse", "serve", "--json", "--project", str(project))
        served = stack.enter_context(serving(command, env=gateway.environment(), cwd=Path("/")))
        yield Machine(gateway, other, served.process.pid, served.address, project, token)


def give_to(name: str, folder: Path) -> None:
    for place in (folder, *folder.rglob("*")):
        shutil.chown(place, name, name)


def answers(who: SystemUser, *arguments: str) -> dict[str, Any]:
    done = who.run("-c", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_gateway_runs_as_its_own_user(machine: Machine) -> None:
    uid = pwd.getpwnam(machine.gateway.name).pw_uid
    assert uid != 0
    running = processes_of(uid)
    assert machine.process in running
    assert len(running) >= 2  # its Java


def test_another_user_opens_nothing(machine: Machine) -> None:
    table = machine.project / "warehouse" / "hr" / "emp"
    files = [*table.glob("*.parquet"), *(table / "_delta_log").glob("*.json")]
    assert len(files) >= 2
    places = [machine.project / "access.yml", machine.project / "warehouse" / "system" / "tokens", table, *files]
    memory = [Path(f"/proc/{process}/{name}") for process in processes_of(pwd.getpwnam(machine.gateway.name).pw_uid)
              for name in ("environ", "maps", "fd")]  # fmt: skip
    seen = answers(machine.other, THIEF, *map(str, [*places, *memory]))
    opened = {what: result for what, result in seen.items() if result == "done"}
    assert opened == {}
    for path in files:
        assert seen[f"open {path}"] == "PermissionError"
    assert seen[f"open /proc/{machine.process}/environ"] == "PermissionError"
    own = answers(machine.gateway, THIEF, *map(str, files))
    assert {own[f"open {path}"] for path in files} & {"done", "UnicodeDecodeError"}, "the test looks at files that open"
    assert machine.other.run("-c", DELTA, str(table)).stdout == ""
    assert machine.gateway.run("-c", DELTA, str(table)).stdout == "0\n"


def test_another_user_gets_its_rows_through_the_gateway(machine: Machine) -> None:
    emp, secret = "SELECT id, name, length(ssn) AS ssn, addr FROM hr.emp ORDER BY id", "SELECT * FROM hr.secret"
    stolen = f"SELECT * FROM delta.`{machine.project}/warehouse/hr/emp`"
    found = answers(machine.other, CLIENT, machine.address, machine.token, emp, secret, stolen)
    assert found == {
        emp: [
            {"id": number, "name": name, "ssn": 64, "addr": {"city": f"c{number}", "zip": "***"}}
            for number, name in ((1, "ana"), (2, "bob"), (3, "cyd"))
        ],
        secret: "AccessRefused",
        stolen: "AccessRefused",
    }
    everything = answers(machine.other, CLIENT, machine.address, machine.token, "SELECT * FROM hr.emp")
    assert [text for text in FORBIDDEN if text in json.dumps(everything)] == []
    refused = answers(machine.other, CLIENT, machine.address, f"{machine.token}x", emp)
    assert refused == {emp: "AccessRefused"}
