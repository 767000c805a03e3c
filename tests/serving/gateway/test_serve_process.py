"""`lakehouse serve` as its users meet it: a process, a token, rules that change meanwhile, signals, TLS."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lakehouse
from lakehouse.errors import AccessRefused, LakehouseError
from lakehouse.storage.private_folder import PrivateFolder
from tests.serving.gateway.hr_project import make_hr_project
from tests.serving.gateway.served_process import lakehouse as command
from tests.serving.gateway.served_process import secret_of, serving

pytestmark = pytest.mark.spark

SERVE = [sys.executable, "-m", "lakehouse", "serve", "--json", "--project"]
TITLES = "SELECT title FROM hr.dept ORDER BY title"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_hr_project(tmp_path_factory.mktemp("serve") / "hr")
    with (made / "spark-pipeline.yml").open("a") as spec:
        spec.write("configuration: {spark.driver.memory: 1g}\n")  # little, so that it is soon used up
    return made


def create_token(project: Path, who: str) -> str:
    return secret_of(command("token", "create", f"{who}@corp", "--json", "--project", project))


def descendants(process: int) -> list[int]:
    """The processes below this one, without what ends while it is looked at: threads and processes come and go.
    Linux only."""
    below = []
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
    except OSError:
        return []
    for thread in threads:
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            below += [child, *descendants(child)]
    return below


def is_there(process: int) -> bool:
    """Whether it runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")
def test_rules_changed_by_sql_hold_from_the_next_query(project: Path, tmp_path: Path) -> None:
    ana, bob = create_token(project, "ana"), create_token(project, "bob")

    def rule(statement: str) -> None:
        done = command("sql", statement, "--as", "root@corp", "--project", project)
        assert done.returncode == 0, done.stderr

    with serving([*SERVE, str(project)], env={**os.environ, "TMPDIR": str(tmp_path)}) as served:
        below = descendants(served.process.pid)
        assert below
        # Spark makes its folder of blocks open to everyone; so it lies in one that is not.
        (kept,) = [path.parent for path in tmp_path.rglob("blockmgr-*")]
        assert kept.parent == tmp_path
        assert kept.stat().st_mode & 0o777 == 0o700
        with (
            lakehouse.connect(served.address, token=ana) as as_ana,
            lakehouse.connect(served.address, token=bob) as as_bob,
        ):
            assert as_ana.sql(TITLES).to_arrow()["title"].to_pylist() == ["labs", "sales"]
            names = "SELECT name FROM hr.emp ORDER BY name"
            with pytest.raises(AccessRefused):
                as_bob.sql(names)
            rule("GRANT SELECT ON TABLE hr.emp TO `bob@corp`")
            assert as_bob.sql(names).to_arrow()["name"].to_pylist() == ["ana", "bob", "cyd"]
            rule("DENY SELECT ON TABLE hr.emp TO `bob@corp`")
            with pytest.raises(AccessRefused):
                as_bob.sql(names)
            assert as_ana.sql(names).to_arrow().num_rows == 3
            for greedy in (
                "SELECT repeat('x', 60000000) FROM range(40)",
                "SELECT length(listagg(repeat('x', 200000))) FROM range(100000)",
            ):
                with pytest.raises(LakehouseError):
                    as_bob.sql(greedy).to_arrow()
                assert as_ana.sql(names).to_arrow().num_rows == 3  # in the same process
        os.kill(served.process.pid, signal.SIGTERM)
        output, errors = served.process.communicate(timeout=120)
        assert (served.process.returncode, "Traceback" in errors) == (0, False)
        assert '"served"' in output
        assert [process for process in below if is_there(process)] == []
        assert list(tmp_path.iterdir()) == []
    done = command("audit", "--denied", "--json", "--project", project)
    assert len(done.stdout.splitlines()) == 2
    assert command("audit", "--verify", "--project", project).returncode == 0


def test_off_loopback_it_wants_tls(project: Path) -> None:
    done = command("serve", "--project", project, "--host", "0.0.0.0")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are looked up in /proc")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_over_tls(project: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, *named, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    token = create_token(project, "ana")
    command_line = [*SERVE, str(project), "--tls-cert", str(certificate), "--tls-key", str(key)]
    with serving(command_line, env={**os.environ, "SPARK_LOCAL_DIRS": str(tmp_path / "disk")}) as served:
        assert served.address.startswith("grpc+tls://127.0.0.1:")
        with lakehouse.connect(served.address, token=token, certificate=certificate) as connection:
            assert connection.sql(TITLES).to_arrow()["title"].to_pylist() == ["labs", "sales"]
        with lakehouse.connect(served.address, token=token) as stranger, pytest.raises(LakehouseError):
            stranger.sql(TITLES)  # a certificate that nobody vouches for
        with (
            pytest.raises(LakehouseError),
            lakehouse.connect(served.address.replace("grpc+tls", "grpc"), token=token) as plain,
        ):
            plain.sql(TITLES)
        below = descendants(served.process.pid)
        assert below
        (kept,) = (tmp_path / "disk").iterdir()
        os.kill(served.process.pid, signal.SIGKILL)
        ends = time.monotonic() + 120
        while any(map(is_there, below)):  # the JVM notices by itself
            assert time.monotonic() < ends
            time.sleep(0.1)
        assert list(kept.glob("blockmgr-*")) == []
        PrivateFolder(tmp_path / "disk").remove()  # as the next one that is served does
        assert list((tmp_path / "disk").iterdir()) == []
