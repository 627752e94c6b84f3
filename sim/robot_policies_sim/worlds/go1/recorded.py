"""The walking reward of a recorded run, as `Go1WalkTrial` would have counted it."""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.frames import to_body
from robot_policies.interface.gravity import DOWN
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies_sim.worlds.go1.reward import CONTACT_FORCE, FEET, WalkStep, reward

EFFORT = "observation.effort"


def recorded_reward(robot: RobotSpec, columns: Mapping[str, np.ndarray], dt: float) -> np.ndarray:
    """Return the reward of each row of an episode but the last. Shape (rows - 1,).

    The first row is judged as if its pose had been commanded before.

    Args:
        robot: The quadruped.
        columns: Those of the recorder, SI, joints in the robot's order as `joint_position`,
            `joint_velocity` and `action`. Shape (rows, width) each.
        dt: Time between two rows. [s]

    Raises:
        ConfigError: If a column is missing that only a simulator records.
    """
    radius = {shape.name: shape.size[0] for link in robot.links for shape in link.shapes}
    soles = np.array([radius[foot] for foot in FEET])
    needed = [f"truth.{kind}.{foot}" for kind in ("contact", "position") for foot in FEET]
    needed += [f"truth.base_{name}" for name in ("velocity", "angular_velocity", "position")]
    missing = [name for name in (EFFORT, *needed) if name not in columns]
    if missing:
        raise ConfigError(
            f"no walking reward without '{missing[0]}', which only a simulator records; a "
            f"real robot's log has the reward 'corrected'"
        )
    after = slice(1, None)
    orientation = columns["truth.base_orientation"]
    target = columns["action"]
    before = np.concatenate([columns["joint_position"][:1], target[:-1]])
    contact = [columns[f"truth.contact.{foot}"][after, 0] for foot in FEET]
    height = [columns[f"truth.position.{foot}"][after, 2] for foot in FEET]
    step = WalkStep(
        command=columns[VELOCITY_COMMAND][:-1],
        velocity=columns["truth.base_velocity"][after],
        turn=columns["truth.base_angular_velocity"][after],
        gravity=to_body(orientation[after], DOWN),
        height=columns["truth.base_position"][after, 2],
        joint_offset=columns["joint_position"][after] - robot.default,
        joint_velocity=columns["joint_velocity"][after],
        joint_acceleration=np.diff(columns["joint_velocity"], axis=0) / dt,
        torque=columns[EFFORT][after],
        target_change=(target - before)[:-1],
        contact=np.stack(contact, 1) > CONTACT_FORCE,
        lift=np.stack(height, 1) - soles,
        time=dt * np.arange(1, len(target)),
    )
    return reward(step)
