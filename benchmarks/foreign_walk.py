"""A walking policy of somebody else on random commands: plain MuJoCo, both engines, and nodes.

    robot-policies policy import FOLDER --robot go2 --name NAME
    python benchmarks/foreign_walk.py FOLDER NAME [--nodes 24] [--json FILE] [--picture FILE]

FOLDER is `go2/robot_lab` of https://github.com/fan-ziqi/rl_sar with its `base.yaml` and its
network as ONNX. Plain MuJoCo is the reference: the robot's model, terms built by hand as rl_sar
builds them, ONNX Runtime, and targets that nobody judges. The same 24 commands and first states
are then walked through this package's contract, safety gate and control loop. Commands are drawn
evenly from -0.5 to 1 m/s ahead, 0.3 m/s to each side and 0.8 rad/s each way.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import mujoco
import numpy as np
import onnxruntime
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from robot_policies.catalog import load_robot, load_task
from robot_policies.control.episode import run_episode
from robot_policies.documents import read_yaml
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job, run_job
from robot_policies.interface import Observation, RobotState
from robot_policies.interface.frames import to_body
from robot_policies.interface.gravity import DOWN
from robot_policies.interface.observation import IMU, VELOCITY_COMMAND
from robot_policies.session import open_session
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.scene.conditions import GOAL, EpisodeConditions
from robot_policies_sim.scene.world import World

ROBOT, TASK = "go2", "go2_walk"
LOWEST, HIGHEST = (-0.5, -0.3, -0.8), (1.0, 0.3, 0.8)
ERRORS = ("speed_error", "yaw_rate_error")
SHOWN = (2.0, 2.1, 2.2, 2.3)  # s; frames of the picture
XYZW = [1, 2, 3, 0]


def trials(count: int, seed: int) -> list[Mapping[str, Any]]:
    """Return first states of the task, each with a random command."""
    task, rng = load_task(TASK), np.random.default_rng(seed)
    return [
        {**task.initial(i), GOAL: {VELOCITY_COMMAND: rng.uniform(LOWEST, HIGHEST).tolist()}}
        for i in range(count)
    ]


class Published:
    """The policy as its publisher runs it, from its own files."""

    def __init__(self, folder: Path) -> None:
        files = [read_yaml(folder / name) for name in ("base.yaml", "config.yaml")]
        self.said = {key: v for file in files for said in file.values() for key, v in said.items()}
        path = str(folder / "policy.onnx")
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.answer = np.zeros(12, np.float32)

    def target(self, q: np.ndarray, qd: np.ndarray, orientation, turn, command) -> np.ndarray:
        """Return joint targets in the policy's order. Shape (12,)."""
        said, default = self.said, np.array(self.said["default_dof_pos"])
        terms = [
            turn * said["ang_vel_scale"],
            to_body(orientation, DOWN),
            np.multiply(command, said["commands_scale"]),
            (q - default) * said["dof_pos_scale"],
            qd * said["dof_vel_scale"],
            self.answer,
        ]
        seen = np.concatenate(terms).astype(np.float32)[None]
        self.answer = self._session.run(None, {"obs": seen})[0][0]
        return default + np.multiply(said["action_scale"], self.answer)


def plain(folder: Path, initial: Mapping[str, Any]) -> dict[str, float]:
    """Walk in MuJoCo alone; return the task's metrics."""
    robot, task, policy = load_robot(ROBOT), load_task(TASK), Published(folder)
    trial = task.start(initial)
    begin = EpisodeConditions.from_mapping(initial, robot, World.from_mapping(task.scene))
    model = mujoco.MjModel.from_xml_string(mjcf(robot, begin.scene(task.scene)))
    data = mujoco.MjData(model)
    joints = [model.joint(name) for name in policy.said["joint_names"]]
    places, speeds = ([getattr(j, k)[0] for j in joints] for k in ("qposadr", "dofadr"))
    base = data.joint("base")
    base.qpos[:3], base.qvel[:3] = begin.base_position, begin.base_velocity
    base.qvel[3:] = begin.base_angular_velocity
    data.qpos[places], data.ctrl[:] = begin.positions(robot), begin.positions(robot)
    model.actuator_gainprm[:, 0] = policy.said["rl_kp"]
    model.actuator_biasprm[:, 1] = np.negative(policy.said["rl_kp"])
    model.actuator_biasprm[:, 2] = np.negative(policy.said["rl_kd"])
    period = policy.said["dt"] * policy.said["decimation"]
    while not trial.done():
        q, qd = data.qpos[places], data.qvel[speeds]
        orientation, turn = base.qpos[3:][XYZW], base.qvel[3:].copy()
        truth = {
            "base_position": base.qpos[:3].copy(),
            "base_orientation": orientation,
            "base_velocity": to_body(orientation, base.qvel[:3]),
            "base_angular_velocity": turn,
        }
        measured = {IMU: np.concatenate([orientation, turn])}
        trial.observe(RobotState(data.time, q, qd, features=measured, truth=truth), None)
        command = initial[GOAL][VELOCITY_COMMAND]
        data.ctrl[:] = policy.target(q, qd, orientation, turn, command)
        for _ in range(round(period / model.opt.timestep)):
            mujoco.mj_step(model, data)
    return dict(trial.metrics())


def through(name: str, backend: str, initial: Mapping[str, Any], nodes: bool) -> dict[str, Any]:
    """Walk as `robot-policies evaluate` does; return the task's metrics."""
    outcome = run_job(Job(name, TASK, backend, 0, initial, Condition(nodes=nodes)))
    if outcome.error:
        raise RuntimeError(outcome.error)
    return {**outcome.metrics, "ended": outcome.ended}


def difference(folder: Path, name: str, steps: int = 100) -> float:
    """Return how far our targets are from hand-built ones where none is held back [rad]."""
    session, rng = open_session(name, "mujoco", TASK), np.random.default_rng(0)
    policy, published = session.policy, Published(folder)
    robot, largest = session.robot, 0.0
    for i in range(steps):
        values = dict(policy.observation_spec.example(rng, float(i)))
        q, qd = rng.normal(robot.default, 0.1), rng.normal(0.0, 1.0, 12)
        turn, tilt = rng.normal(0.0, 0.5, 3), np.append(rng.normal(0.0, 0.1, 3), 1.0)
        orientation, command = tilt / np.linalg.norm(tilt), rng.uniform(LOWEST, HIGHEST)
        given = (np.float32(each) for each in (q, qd, orientation, turn, command))
        target = published.target(*map(np.float64, given))
        values |= {
            "observation.state": np.float32([*q, *qd]),
            "observation.imu": np.float32([*orientation, *turn]),
            VELOCITY_COMMAND: np.float32(command),
            "observation.command": np.float32(target),
        }
        chunk = policy.act(Observation(values, dict.fromkeys(values, float(i))))
        held = target.clip(robot.lower, robot.upper)
        largest = max(largest, float(np.abs(chunk.values[0] - held).max()))
    return largest


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return falls, refused walks and mean errors of the walks that did not fall."""
    stood = [row for row in rows if not row["fall"]]
    means = {key: float(np.mean([row[key] for row in stood])) for key in ERRORS}
    return {"walks": len(rows), "falls": len(rows) - len(stood), **means}


def picture(name: str, path: Path, initial: Mapping[str, Any]) -> None:
    """Write frames of one walk, a row for each engine."""
    rows = []
    for backend in ("mujoco", "pybullet"):
        session = open_session(name, backend, TASK).require()
        session.backend.connect()
        frames: list[np.ndarray] = []
        watcher = _Watcher(session.stage.simulator, frames)
        run_episode(
            session.backend,
            session.policy,
            session.task,
            seed=0,
            initial=initial,
            observers=[watcher],
        )
        session.backend.close()
        rows.append(np.concatenate(frames, axis=1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=85)


class _Watcher:
    """Renders the moments that are shown."""

    def __init__(self, simulator: Any, frames: list[np.ndarray]) -> None:
        self._simulator, self._frames = simulator, frames

    def begin(self, *about: object) -> None:
        """Nothing to prepare."""

    def step(self, record: Any) -> None:
        """Take a picture."""
        if len(self._frames) < len(SHOWN) and record.time >= SHOWN[len(self._frames)] - 1e-6:
            self._frames.append(self._simulator.render(320, 240))

    def end(self, result: object) -> None:
        """Nothing to finish."""


def main(
    folder: Path,
    name: str,
    count: Annotated[int, typer.Option("--count", help="Walks.")] = 24,
    nodes: Annotated[int, typer.Option("--nodes", help="Walks through nodes.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the commands.")] = 0,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
    shown: Annotated[Path | None, typer.Option("--picture", metavar="FILE")] = None,
) -> None:
    """Walk everywhere, print a table, and write every walk."""
    name = str(Path(name).resolve())
    initials = trials(count, seed)
    ways = {
        "plain MuJoCo": (initials, lambda initial: plain(folder, initial)),
        "MuJoCo": (initials, lambda initial: through(name, "mujoco", initial, False)),
        "PyBullet": (initials, lambda initial: through(name, "pybullet", initial, False)),
        "MuJoCo through nodes": (
            initials[:nodes],
            lambda initial: through(name, "mujoco", initial, True),
        ),
    }
    walks = {
        way: [walk(initial) for initial in track(begin, way)]
        for way, (begin, walk) in ways.items()
        if begin
    }
    table = Table("where", "walks", "falls", "speed error [m/s]", "yaw rate error [rad/s]")
    for way, rows in walks.items():
        found = summary(rows)
        table.add_row(
            way, str(found["walks"]), str(found["falls"]), *(f"{found[key]:.3f}" for key in ERRORS)
        )
    Console().print(table)
    largest = difference(folder, name)
    print(f"largest difference to hand-built terms: {largest:.1e} rad")
    if shown:
        picture(name, shown, initials[0])
    if out:
        commands = [initial[GOAL][VELOCITY_COMMAND] for initial in initials]
        document = {"commands": commands, "walks": walks, "difference": largest}
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
