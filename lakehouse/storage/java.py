"""Which Java runs Spark: found where systems keep it, installed where that needs no question."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import InstallationError

SUPPORTED = (17, 21)

_HOMES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/homebrew/opt/openjdk@*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk@*/libexec/openjdk.jdk/Contents/Home",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "C:/Program Files/Java/*",
    "C:/Program Files/Eclipse Adoptium/*",
    "C:/Program Files/Microsoft/jdk-*",
)

_COMMANDS = {
    "apt-get": "apt-get update && {sudo}apt-get install -y openjdk-17-jre-headless",
    "dnf": "dnf install -y java-17-openjdk-headless",
    "yum": "yum install -y java-17-openjdk-headless",
    "zypper": "zypper install -y java-17-openjdk-headless",
    "apk": "apk add openjdk17-jre-headless",
    "pacman": "pacman -S --noconfirm jre17-openjdk-headless",
    "brew": "brew install openjdk@17",
    "choco": "choco install -y temurin17jre",
    "winget": "winget install EclipseAdoptium.Temurin.17.JRE",
}
_SECONDS = 1800  # an installation over a slow line
_WITHOUT_ROOT = ("brew", "choco", "winget")


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaInstallation:
    """A Java runtime: its folder, full version ("17.0.15") and `java` program."""

    home: Path
    version: str
    executable: Path

    @property
    def major(self) -> int:
        """17 for "17.0.15", 8 for "1.8.0_402"."""
        return major_version(self.version)


def major_version(version: str) -> int:
    """The number by which people call a Java version; 0 if there is none.

    >>> major_version("17.0.15"), major_version("1.8.0_402"), major_version("")
    (17, 8, 0)
    """
    numbers = re.findall(r"\d+", version)
    if not numbers:
        return 0
    return int(numbers[1] if numbers[0] == "1" and len(numbers) > 1 else numbers[0])


def find_java() -> JavaInstallation:
    """The first Java 17 or 21 by JAVA_HOME, PATH and the usual folders; InstallationError if there is none."""
    unfit = []
    for home in _candidates():
        found = read_installation(home)
        if found and found.major in SUPPORTED:
            return found
        if found:
            unfit.append(f"{found.version} in {found.home}")
    seen = f" (found only {', '.join(unfit)})" if unfit else ""
    raise InstallationError(
        f"Spark needs Java 17 or 21, and there is none on this machine{seen}.", hint=f"Install it: {install_command()}"
    )


def read_installation(home: Path) -> JavaInstallation | None:
    """The Java runtime in folder `home`, or None. Its `release` file answers without starting it."""
    executable = home / "bin" / ("java.exe" if os.name == "nt" else "java")
    if not os.access(executable, os.X_OK):
        return None
    try:
        release = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        release = ""
    stated = re.search(r'^JAVA_VERSION="?([^"\n]+)', release, re.MULTILINE)
    version = stated.group(1) if stated else _settings(executable).get("java.version", "")
    return JavaInstallation(home=home, version=version, executable=executable) if version else None


def install_java() -> JavaInstallation:
    """Install Java where it needs no question (root on Debian or Ubuntu), else InstallationError with the command."""
    if shutil.which("apt-get") is None or not _is_root():
        raise InstallationError("Spark needs Java 17 or 21.", hint=f"Install it: {install_command()}")
    print("Installing Java for Spark ...", file=sys.stderr, flush=True)
    _quietly(["apt-get", "update"])
    packages = [f"openjdk-{major}-jre-headless" for major in SUPPORTED]
    known = [name for name in packages if _run(["apt-cache", "show", name]).returncode == 0]
    if not known:
        raise InstallationError(
            f"none of the packages {', '.join(packages)} is in this system's package index.",
            hint="Install a Java 17 or 21 runtime and set JAVA_HOME to its folder.",
        )
    _quietly(["apt-get", "install", "-y", "--no-install-recommends", known[0]])
    return find_java()


def install_command() -> str:
    """What a person types on this system to get Java."""
    for program, command in _COMMANDS.items():
        if shutil.which(program):
            sudo = "" if program in _WITHOUT_ROOT or _is_root() else "sudo "
            return sudo + command.format(sudo=sudo)
    return f"get a Java 17 runtime for {platform.system()} and set JAVA_HOME to its folder"


def _candidates() -> Iterator[Path]:
    seen: set[Path] = set()
    for home in _places():
        resolved = home.resolve()
        if resolved not in seen:
            seen.add(resolved)
            yield resolved


def _places() -> Iterator[Path]:
    if configured := os.environ.get("JAVA_HOME"):
        yield Path(configured)
    if on_path := shutil.which("java"):
        home = Path(on_path).resolve().parent.parent
        if (home / "release").exists():
            yield home
        elif stated := _settings(Path(on_path)).get("java.home"):  # a shim (macOS, jenv, asdf) knows the real folder
            yield Path(stated)
    for pattern in _HOMES:
        root = Path(pattern).expanduser()
        if root.anchor:
            yield from sorted(Path(root.anchor).glob(str(root.relative_to(root.anchor))))


def _settings(executable: Path) -> dict[str, str]:
    try:
        shown = _run([str(executable), "-XshowSettings:properties", "-version"]).stderr
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(re.findall(r"^\s*(java\.(?:home|version)) = (.+?)\s*$", shown, re.MULTILINE))


def _quietly(command: list[str]) -> None:
    done = _run(command)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise InstallationError(
            f"Java could not be installed: '{' '.join(command)}' failed: {last}", hint=f"Try: {install_command()}"
        )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(  # noqa: S603
        command, env=environment, check=False, capture_output=True, text=True, errors="replace", timeout=_SECONDS
    )


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
