"""Parameters of a robot from its recorded motion, by `mujoco.sysid`.

The sum of squared differences between predicted and recorded joints is made least. Its intervals
hold if the model is right but for noise, which no model of a real robot is. So every block of
episodes is fitted alone too, and the range that training draws from holds what all of them found.
"""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError, RobotPoliciesError
from robot_policies_sim.engines.mujoco.replayed_motion import Motion, Replay, Window
from robot_policies_sim.scene.parameters import PARAMETERS, Range, parameter

JOINTS = tuple(name for name, known in PARAMETERS.items() if known.of_joints)
START = {"latency": 0.01}  # s; at its least value the slope of the error is not defined
STEPS = (5e-2, 1e-3)  # relative, for the slope of the error: over its roughness, then exact
ITERATIONS, BLOCK_ITERATIONS = 30, 6  # a block begins at what all of them found
BLOCKS = 3
MISSING = "identification needs the packages of 'sysid': pip install 'robot_policies[sysid]'"


@dataclass(frozen=True)
class Found:
    """What is known of a parameter.

    Attributes:
        unit: `1` for a factor on what the table says.
        table: What it is in the table.
        value: Best value.
        ci95: Interval if the model is right but for noise.
        range: Least and greatest value of that interval and of each block of episodes.
    """

    unit: str
    table: float
    value: float
    ci95: Range
    range: Range


@dataclass(frozen=True)
class Identified:
    """What an identification found.

    Attributes:
        parameters: By name.
        before: Root mean square of the error on windows that were held out, with the table's
            values. [rad], [m]
        after: The same with what was found.
        windows: How many were fitted, and held out.
        divergence: By `table` and `found` and by joint, the root mean square of the error after
            each control period of a replayed window. [rad], [m]
    """

    parameters: Mapping[str, Found]
    before: float
    after: float
    windows: tuple[int, int]
    divergence: Mapping[str, Mapping[str, Sequence[float]]]

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the fall of the error as a share of it."""
        return {**asdict(self), "fall": 1.0 - self.after / self.before}


def identify(
    replay: Replay,
    motions: Sequence[Motion],
    names: Sequence[str] = JOINTS,
    *,
    hold_out: float = 0.25,
    most: int = 200,
    seed: int = 0,
) -> Identified:
    """Find the values with which recorded motion is predicted best.

    Args:
        replay: Predicts.
        motions: What was recorded; whole episodes are held out.
        names: Parameters to find.
        hold_out: Share of the windows to report on, at least one episode's where there are two.
        most: Windows that are fitted at most, and half as many that are held out.
        seed: Chooses windows and episodes.

    Raises:
        ConfigError: If a parameter cannot be told from joints, or there is too little motion.
        RobotPoliciesError: If `mujoco.sysid` is not installed.
    """
    for name in names:
        if not parameter(name).of_joints:
            raise ConfigError(f"'{name}' cannot be told from the motion of joints: {list(JOINTS)}")
    rng = np.random.default_rng(seed)
    fitted, kept = _split(replay, motions, hold_out, most, rng)
    table = {name: PARAMETERS[name].nominal or 0.0 for name in names}
    best, half = _fit(replay, fitted, table, ITERATIONS)
    blocks = [
        _fit(replay, block, best, BLOCK_ITERATIONS)[0]
        for block in _blocks(fitted)
        if len(block) > len(names)
    ]
    known = {"table": table, "found": best}
    found = {
        name: _found(name, best[name], half[name], [block[name] for block in blocks])
        for name in names
    }
    errors = {name: errors_of(replay, kept, values) for name, values in known.items()}
    before, after = (float(np.sqrt(np.mean(each**2))) for each in errors.values())
    divergence = {
        name: dict(zip(replay.joint_names, _over_time(each), strict=True))
        for name, each in errors.items()
    }
    return Identified(found, before, after, (len(fitted), len(kept)), divergence)


def errors_of(
    replay: Replay, windows: Sequence[Window], values: Mapping[str, float]
) -> np.ndarray:
    """Return predicted less recorded joint positions. Shape (windows, horizon, n). [rad], [m]."""
    return replay.predict(windows, values)[0] - replay.measured(windows)[0]


def _over_time(errors: np.ndarray) -> list[list[float]]:
    """Return the root mean square over windows. Shape (windows, horizon, n) -> (n, horizon)."""
    return np.sqrt(np.mean(errors**2, axis=0)).T.tolist()


def _split(
    replay: Replay,
    motions: Sequence[Motion],
    hold_out: float,
    most: int,
    rng: np.random.Generator,
) -> tuple[list[Window], list[Window]]:
    by_episode = [
        [Window(motion, int(start)) for start in motion.starts(replay.horizon, replay.before)]
        for motion in motions
    ]
    by_episode = [windows for windows in by_episode if windows]
    total = sum(map(len, by_episode))
    if len(by_episode) < 2:
        raise ConfigError(
            f"{len(by_episode)} episodes have {replay.before + replay.horizon} rows without a "
            "break; at least 2 are needed, so that one can be held out"
        )
    kept: list[Window] = []
    fitted: list[Window] = []
    *order, last = rng.permutation(len(by_episode))
    for place in order:
        (kept if len(kept) < hold_out * total else fitted).extend(by_episode[place])
    fitted += by_episode[last]
    return _some(fitted, most, rng), _some(kept, most // 2, rng)


def _some(windows: list[Window], most: int, rng: np.random.Generator) -> list[Window]:
    """Return so many windows at most, episodes still together."""
    chosen = rng.choice(len(windows), min(most, len(windows)), replace=False)
    return [windows[place] for place in sorted(chosen)]


def _blocks(windows: Sequence[Window]) -> list[list[Window]]:
    parts = np.array_split(np.arange(len(windows)), BLOCKS)
    return [[windows[place] for place in part] for part in parts]


def _fit(
    replay: Replay, windows: Sequence[Window], start: Mapping[str, float], iterations: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the best values, and half of their intervals."""
    from mujoco import sysid

    if not hasattr(sysid, "optimize"):
        raise RobotPoliciesError(MISSING)
    dt = replay.period
    positions, velocities = replay.measured(windows)
    asked = sysid.ParameterDict()
    for name, value in start.items():
        low, high = PARAMETERS[name].bounds
        asked.add(sysid.Parameter(name, max(value, START.get(name, value)), low, high))

    def residual(x: np.ndarray, params: Any, **_: Any) -> tuple[list[np.ndarray], list, list]:
        values = dict(zip(start, np.asarray(x).reshape(-1).tolist(), strict=True))
        position, velocity = replay.predict(windows, values)
        # A speed that is wrong for a period is as bad as the position it leads to.
        both = np.hstack([(position - positions).ravel(), dt * (velocity - velocities).ravel()])
        return [both], [], []

    scale = np.array([high - low for low, high in (PARAMETERS[name].bounds for name in start)])
    result: Any = None
    for step in STEPS:
        with redirect_stdout(StringIO()):  # the optimizer prints each iteration
            asked, result = sysid.optimize(
                asked,
                residual,
                optimizer="scipy",
                verbose=False,
                max_iters=iterations,
                x_scale=scale,
                diff_step=step,
            )
    x = asked.as_vector()
    _, half = sysid.calculate_intervals(residual(x, asked)[0], np.asarray(result.jac))
    return dict(zip(start, x.tolist(), strict=True)), dict(zip(start, half.tolist(), strict=True))


def _found(name: str, value: float, half: float, blocks: Sequence[float]) -> Found:
    known = PARAMETERS[name]
    low, high = known.bounds
    ci95 = max(value - half, low), min(value + half, high)
    ends = min(*ci95, *blocks), max(*ci95, *blocks)
    return Found(known.unit, known.nominal or 0.0, value, ci95, ends)
