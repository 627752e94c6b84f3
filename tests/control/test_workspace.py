"""An arm that is found outside its workspace may move, but only back."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot
from robot_policies.control.refusal import Cause
from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import Action, ActionKind, RobotState
from robot_policies.interface.kinematics import Kinematics

POSES = 40
SHARE = 0.3  # of every joint's speed limit
LONGEST = 15.0  # s


class Arm:
    """An arm that is where it was told to be."""

    def __init__(self, name):
        self.robot = robot = load_robot(name)
        self.box, self.tip = robot.workspace, Kinematics(robot, robot.workspace.link)
        self.period = 1.0 / robot.control_rate

    def poses(self):
        """Return random poses whose tip is outside the box."""
        rng, found = np.random.default_rng(0), []
        while len(found) < POSES:
            joints = rng.uniform(self.robot.lower, self.robot.upper)
            if self.out(joints).any():
                found.append(joints)
        return found

    def out(self, joints):
        """Return how far the tip is outside along each axis. Shape (3,). [m]."""
        there = self.tip.pose(joints)[1]
        return np.maximum(0.0, np.maximum(self.box.lower - there, there - self.box.upper))

    def straight(self, joints):
        """Return a step towards the default pose, along the straight line of the joints."""
        way = self.robot.default - joints
        furthest = SHARE * self.robot.velocity * self.period
        return way * min(1.0, np.min(furthest / np.maximum(np.abs(way), 1e-9)))

    def around(self, joints):
        """Return the same step without what would lead the tip further out."""
        straight, held = self.straight(joints), np.zeros(3, bool)
        step, (_, here), jacobian = straight, self.tip.pose(joints), self.tip.jacobian(joints)[:3]
        inwards = 3e-4 * np.sign((self.box.lower + self.box.upper) / 2.0 - here)
        for _ in range(3):
            held |= self.out(joints + step) > self.out(joints)
            wanted = inwards[held] - jacobian[held] @ straight
            step = straight + np.linalg.pinv(jacobian[held], rcond=1e-2) @ wanted
            step = np.clip(joints + step, self.robot.lower, self.robot.upper) - joints
        return step

    def go_back(self, joints, way):
        """Follow a way until the tip is inside or the gate stops the arm.

        Returns:
            What was asked for and what was sent at every control step, and the stop's cause.
        """
        gate, robot = SafetyGate(self.robot, SafetyLimits.of(self.robot)), self.robot
        asked, sent = [], [joints]
        for now in np.arange(0.0, LONGEST, self.period):
            joints = sent[-1]
            asked.append(joints + way(joints))
            state = RobotState(now, joints, np.zeros(len(joints)))
            action = Action(asked[-1], robot.joint_names, ActionKind.JOINT_POSITION, now)
            sent.append(gate.check(action, state, now).command.values)
            if gate.latched or not self.out(sent[-1]).any():
                break
        return asked, sent, gate.latched


@pytest.mark.parametrize(
    ("way", "back"),
    [
        # Of the other 18, 11 lie in the table or in the arm's own base; 7 lean backwards.
        ("straight", 22),
        # In the last one the forearm lies in the base.
        ("around", 39),
    ],
)
def test_from_outside_only_what_leads_further_out_is_refused(way, back):
    arm = Arm("so101")
    inside = 0
    for pose in arm.poses():
        asked, sent, latched = arm.go_back(pose, getattr(arm, way))
        ways_out = np.array([arm.out(joints) for joints in sent])
        assert (np.diff(ways_out, axis=0) <= 1e-9).all()
        if latched is None:
            inside += not ways_out[-1].any()
        else:
            assert latched.cause is Cause.REFUSALS
            assert "'tip', outside its workspace, may only go back" in latched.text
            assert (arm.out(asked[-1]) > ways_out[-1]).any()
    assert inside == back
