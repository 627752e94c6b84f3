"""`robot-policies doctor`: is this machine ready, and if not, the line that makes it so."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import progress, results, table

PYTHON = (3, 12)
PACKAGES = ("numpy", "torch", "mujoco", "pybullet", "gymnasium", "rclpy", "lerobot", "rerun-sdk")
# Version of rclpy: distribution of ROS 2 that the tests ran with.
DISTRIBUTIONS = {"7.1": "Jazzy", "9.1": "Kilted"}
GL_BACKENDS = ("egl", "osmesa", "glfw")
LIBRARIES = {  # shared library: Debian and Ubuntu package
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libOSMesa.so.8": "libosmesa6",
    "libgomp.so.1": "libgomp1",
}
RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><light/></worldbody></mujoco>")
renderer = mujoco.Renderer(model, 16, 16)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer.update_scene(data)
renderer.render()
"""
PROBE_TIMEOUT = 60.0  # s; the first import of torch on a slow disk takes half of it


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: What.
        state: `ok`, `caution` (works, but look at it), `absent` (optional and not there) or
            `missing` (needed and not there).
        detail: Version, device or reason.
        fix: What to type, or empty.
    """

    name: str
    state: str
    detail: str
    fix: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(json: Json = None) -> None:
    """Look at versions, GL, DDS, GPU, serial ports and vendor SDKs, and say what to install.

    Exit status 1 if something that the package needs is missing.
    """
    with results(json) as output:
        findings: list[Finding] = []
        with progress() as bar:
            task = bar.add_task("looking", total=len(EXAMINATIONS))
            for examine in EXAMINATIONS:
                findings += examine()
                bar.advance(task)
        ready = all(finding.state != "missing" for finding in findings)
        rows = [(f.name, f.state, f.detail, f.fix) for f in findings]
        output.finish(
            {"ready": ready, "findings": findings},
            table("ready" if ready else "not ready", ("what", "state", "found", "to fix"), rows),
        )
    if not ready:
        raise typer.Exit(1)


def _versions() -> Iterator[Finding]:
    from robot_policies.evaluation.provenance import installed

    if sys.version_info[:2] >= PYTHON:
        yield Finding("python", "ok", platform.python_version())
    else:
        fix = f"install Python {PYTHON[0]}.{PYTHON[1]}"
        yield Finding("python", "missing", platform.python_version(), fix)
    for package in PACKAGES:
        found = installed(package)
        if found:
            yield Finding(package, "ok", found)
            continue
        yield Finding(package, "missing", "not installed", "pip install 'robot_policies[all]'")


def _distribution() -> Iterator[Finding]:
    from robot_policies.evaluation.provenance import installed

    if version := installed("rclpy"):
        name = DISTRIBUTIONS.get(".".join(version.split(".")[:2]))
        tried = " and ".join(DISTRIBUTIONS.values())
        untried = f"of rclpy {version}: untried, the tests ran with {tried}"
        yield Finding("ROS 2", "ok" if name else "caution", name or untried)


def _libraries() -> Iterator[Finding]:
    if sys.platform != "linux":
        return
    absent = [name for name in LIBRARIES if not _loads(name)]
    packages = " ".join(LIBRARIES[name] for name in absent)
    install = f"sudo apt-get install -y --no-install-recommends {packages}" if absent else ""
    for name in LIBRARIES:
        found = name not in absent
        yield Finding(name, *(("ok", "found") if found else ("absent", "not found", install)))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _rendering() -> Iterator[Finding]:
    """Try each GL back end in a process of its own: a failed one takes its process along."""
    works = []
    for name in GL_BACKENDS:
        with TemporaryDirectory() as folder:  # MuJoCo leaves a log where it fails
            fault = _fault(["-c", RENDER], {"MUJOCO_GL": name}, folder)
        works += [name] if not fault else []
        yield Finding(f"GL {name}", "absent" if fault else "ok", fault or "renders")
    if not works:
        fix = "sudo apt-get install -y --no-install-recommends libegl1 libosmesa6"
        yield Finding("GL", "missing", "no back end renders", fix)


def _dds() -> Iterator[Finding]:
    from robot_policies.launching.network import graph_environment

    fault = _fault(["-m", "robot_policies.nodes.round_trip"], graph_environment())
    fix = "pip install 'robot_policies[ros]', or source the setup.bash of a ROS 2" if fault else ""
    yield Finding("DDS round trip", "missing" if fault else "ok", fault or "works", fix)


def _network() -> Iterator[Finding]:
    from robot_policies.launching.network import graph_environment, reach

    who = reach(graph_environment())
    yield Finding("who reaches a graph", "ok" if who.local else "caution", who.text, who.fix)


def _fault(arguments: list[str], environment: Mapping[str, str], folder: str = ".") -> str:
    """Run Python in a process; return the last line of its complaint, "" if it went well."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            env={**os.environ, **environment},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PROBE_TIMEOUT:g} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return next(
        (line for line in reversed(lines) if ": " in line and not line.startswith(" ")),
        f"exit status {done.returncode}",
    )


def _display() -> Iterator[Finding]:
    found = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    detail = found or "none: viewer:=rerun shows nothing; write a file, viewer:=walk.rrd"
    yield Finding("display", "ok" if found else "absent", detail)


def _gpu() -> Iterator[Finding]:
    if not shutil.which("nvidia-smi"):
        yield Finding("GPU", "absent", "no NVIDIA driver; policies run on the CPU")
        return
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=PROBE_TIMEOUT)
    usable = not _fault(["-c", "import torch; torch.zeros(1, device='cuda')"], {})
    names = "; ".join(done.stdout.strip().splitlines())
    detail = f"{names or 'driver does not answer'}; torch {'uses it' if usable else 'cannot'}"
    yield Finding("GPU", "ok" if usable else "absent", detail)


def _device() -> Iterator[Finding]:
    """Say what `--device auto` chooses."""
    if find_spec("torch") is None:
        yield Finding("device", "absent", "policies need torch")
        return
    from robot_policies.policies.device import AUTO, devices, find_device

    others = ", ".join(devices())
    yield Finding("device", "ok", f"--device {AUTO} is {find_device(AUTO)}; there are {others}")


def _serial_ports() -> Iterator[Finding]:
    ports = sorted({*Path("/dev").glob("ttyACM*"), *Path("/dev").glob("ttyUSB*")})
    if not ports:
        yield Finding("serial ports", "absent", "no /dev/ttyACM* or /dev/ttyUSB*")
    for port in ports:
        usable = os.access(port, os.R_OK | os.W_OK)
        fix = "" if usable else "sudo usermod -aG dialout $USER, then log in again"
        detail = "readable and writable" if usable else "no permission"
        yield Finding(str(port), "ok" if usable else "absent", detail, fix)


def _vendor_sdks() -> Iterator[Finding]:
    from robot_policies_hardware.unitree_sdk import SDKS

    for robot, sdk in SDKS.items():
        found = find_spec(sdk.module) is not None
        detail, fix = ("installed", "") if found else ("not installed", sdk.how)
        yield Finding(f"{sdk.module} ({robot})", "ok" if found else "absent", detail, fix)


EXAMINATIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _versions,
    _distribution,
    _libraries,
    _rendering,
    _display,
    _dds,
    _network,
    _gpu,
    _device,
    _serial_ports,
    _vendor_sdks,
)
