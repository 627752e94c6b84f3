"""The two sides of `serving.py`: LeRobot's server and client, and the launch graph here.

Each drives the robot of `jumping_follower.py` for some seconds, in processes of its own with one
thread per library, and is judged by the robot's log alone.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from jumping_follower import CAMERAS, JOINTS, SIZE, STEP
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.factory import make_policy_config
from lerobot_checkpoints import save

from robot_policies.interface.observation import IMAGES, STATE

Row = tuple[str, float, float]  # of the robot's log

FPS, ROWS = 30, 100
READY, GRACE = 120.0, 10.0  # s: until the first command, and from an interrupt to the end
STEADY, BEGUN = 1.3, 4.0  # s: that thirty commands take at most, and from then to the first jump
NEAR = 0.05  # of a jump: how far a command has to go, or may be away
HERE = Path(__file__).parent
PLUGIN = "lerobot_robot_jumping"
SMALL: dict[str, Any] = {
    "dim_model": 64,
    "n_heads": 2,
    "dim_feedforward": 128,
    "n_encoder_layers": 1,
    "n_vae_encoder_layers": 1,
}
LEROBOT: dict[str, tuple[str, ...]] = {  # how the server is started, and how the client
    "LeRobot, best": ("0", "1.0", "latest_only"),
    "LeRobot, defaults": ("0.033", "0.5", "weighted_average"),
}


@dataclass(frozen=True)
class Served:
    """What the robot saw.

    Attributes:
        reaction: From each measured jump to the first command that answers it. [s]
        arrived: To the first command that has gone all the way, where one came in time. [s]
        jumps: How many there were.
        periods: Control periods that passed.
        skipped: Of them without a command.
        cpu: Processor time of all processes, over the time. [cores]
    """

    reaction: tuple[float, ...]
    arrived: tuple[float, ...]
    jumps: int
    periods: int
    skipped: int
    cpu: float


def write_policy(folder: Path) -> Path:
    """Write an ACT of relative actions that stays where the arm is: whoever asks it follows."""
    width = len(JOINTS)
    pictures = [f"{IMAGES}.{name}" for name in CAMERAS]
    shape = (SIZE[2], *SIZE[:2])
    config = make_policy_config(
        "act",
        input_features={
            STATE: PolicyFeature(FeatureType.STATE, (width,)),
            **{name: PolicyFeature(FeatureType.VISUAL, shape) for name in pictures},
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (width,))},
        device="cpu",
        push_to_hub=False,
        pretrained_backbone_weights=None,
        chunk_size=ROWS,
        n_action_steps=1,
        **SMALL,
    )
    zeros, ones = torch.zeros(width), torch.ones(width)
    picture = {key: torch.full((3, 1, 1), 0.5) for key in ("mean", "std")}
    statistics = {STATE: {"mean": zeros, "std": 10.0 * ones}}
    statistics |= {
        "action": {"mean": zeros, "std": 1e-6 * ones},
        **dict.fromkeys(pictures, picture),
    }
    names = [f"{joint}.pos" for joint in JOINTS]
    contract = {
        "version": 2,
        "robot": "so101",
        "dt": 1.0 / FPS,
        "observation": {STATE: {"names": names, "unit": "deg"}},
        "action": {"kind": "joint_position", "names": list(JOINTS), "unit": "deg"},
    }
    return save(folder, config, statistics, contract, relative=True)


def environment(folder: Path, network: bool) -> dict[str, str]:
    """Return an environment in which LeRobot finds the robot as a plug-in.

    Args:
        folder: Empty; gets the modules.
        network: Whether the policy computes; it answers zeros otherwise.
    """
    shutil.copy(HERE / "jumping_follower.py", folder / f"{PLUGIN}.py")
    metadata = folder / f"{PLUGIN}-0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {PLUGIN}\nVersion: 0\n")
    if not network:
        shutil.copy(HERE / "without_network.py", folder / "sitecustomize.py")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    alone = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_DOMAIN_ID": "97"}
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **alone}


def ours(policy: Path, log: Path, seconds: float, given: Mapping[str, str]) -> Served:
    """Run the launch file on the robot."""
    size = {"type": "opencv", "width": SIZE[1], "height": SIZE[0], "fps": FPS}
    cameras = {name: {**size, "index_or_path": i} for i, name in enumerate(CAMERAS)}
    options = {"type": "jumping_follower", "id": "x", "log": str(log), "cameras": cameras}
    words = {"policy": policy, "robot": "so101", "backend": "lerobot", "task": "none"}
    words |= {"threads": 1, "options": json.dumps(options), "seconds": seconds + READY}
    launched = [f"{name}:={value}" for name, value in words.items()]
    command = [
        sys.executable,
        "-P",
        "-m",
        "robot_policies.launching",
        "policy.launch.xml",
        *launched,
    ]
    return _serve([command], log, seconds, given)


def lerobot(
    policy: Path, log: Path, seconds: float, given: Mapping[str, str], settings: tuple[str, ...]
) -> Served:
    """Run LeRobot's policy server and robot client.

    Args:
        policy: The checkpoint.
        log: Of the robot.
        seconds: How long.
        given: Environment.
        settings: Latency that the server pretends [s], share of a plan left at which the client
            asks, and how it merges.
    """
    latency, threshold, merge = settings
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = [sys.executable, "-m", "lerobot.async_inference.policy_server", "--host=127.0.0.1"]
    server += [f"--port={port}", f"--fps={FPS}", f"--inference_latency={latency}"]
    client = [sys.executable, "-m", "lerobot.async_inference.robot_client", "--task=x"]
    client += ["--robot.type=jumping_follower", f"--robot.log={log}", "--robot.id=x"]
    client += [f"--server_address=127.0.0.1:{port}", "--policy_type=act", f"--fps={FPS}"]
    client += [f"--pretrained_name_or_path={policy}", f"--actions_per_chunk={ROWS}"]
    client += [f"--chunk_size_threshold={threshold}", f"--aggregate_fn_name={merge}"]
    return _serve([server, client], log, seconds, given, port)


def _serve(
    commands: list[list[str]],
    log: Path,
    seconds: float,
    given: Mapping[str, str],
    port: int | None = None,
) -> Served:
    """Run processes until the robot has been driven for some seconds, and judge its log."""
    processes: list[subprocess.Popen] = []
    with ExitStack() as stack, log.with_suffix(".said").open("w") as said:
        stack.callback(_end, processes)
        for command in commands:
            if processes and port:
                _wait(lambda: _listens(port), processes, said.name)
            process = subprocess.Popen(
                command, env=dict(given), cwd=log.parent, stdout=said, stderr=subprocess.STDOUT
            )
            processes.append(process)
        _wait(lambda: _driven(log), processes, said.name)
        time.sleep(BEGUN)
        begin, before = time.monotonic(), _processor_time(processes)
        time.sleep(seconds)
        cpu = (_processor_time(processes) - before) / (time.monotonic() - begin)
    rows = [line.split() for line in log.read_text().splitlines()]
    return judge([(what, float(at), float(v)) for what, at, v in rows], begin, seconds, cpu)


def judge(
    rows: list[tuple[str, float, float]], begin: float, seconds: float, cpu: float
) -> Served:
    """Return what a robot's log says of some seconds [s]."""
    rows = [row for row in rows if begin <= row[1] < begin + seconds]
    jumps = [(at, level) for what, at, level in rows if what == "jump"]
    sent = np.array([(at, value) for what, at, value in rows if what == "sent"]).reshape(-1, 2)
    reaction, arrived = [], []
    for (at, level), (until, _) in zip(jumps, jumps[1:], strict=False):
        among = sent[(sent[:, 0] > at) & (sent[:, 0] < until)]
        gone = 1.0 - abs(among[:, 1] - level) / STEP  # 0 where it was, 1 where it is to be
        for far, found in ((NEAR, reaction), (1.0 - NEAR, arrived)):
            answers = among[gone > far, 0]
            found.extend(answers[:1] - at)
    gaps = np.diff(sent[:, 0]) * FPS
    skipped = int(np.maximum(np.round(gaps) - 1, 0).sum())
    return Served(
        tuple(reaction), tuple(arrived), len(jumps) - 1, round(seconds * FPS), skipped, cpu
    )


def _wait(ready: Any, processes: list[subprocess.Popen], said: str) -> None:
    deadline = time.monotonic() + READY
    while not ready():
        ended = any(process.poll() is not None for process in processes)
        if ended or time.monotonic() > deadline:
            raise RuntimeError(f"the robot was not driven: {Path(said).read_text()[-2000:]}")
        time.sleep(0.1)


def _driven(log: Path) -> bool:
    """Return whether the robot has been sent a command in nearly every period of a second."""
    lines = log.read_text().splitlines()[:-1] if log.exists() else []
    newest = [float(line.split()[1]) for line in lines if line.startswith("sent")][-FPS:]
    return len(newest) == FPS and time.monotonic() - newest[0] < STEADY


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _processor_time(processes: list[subprocess.Popen]) -> float:
    """Return what the processes and those they started have used. [s]."""
    total = 0.0
    for process in processes:
        parent = psutil.Process(process.pid)
        for one in (parent, *parent.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def _end(processes: list[subprocess.Popen]) -> None:
    """Interrupt the client or the graph first, and kill what does not end."""
    for process in reversed(processes):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
