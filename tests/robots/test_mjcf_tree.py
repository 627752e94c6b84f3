"""Anchors, references, several joints of one body and loops of an MJCF, against MuJoCo itself."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from robot_policies.documents import parse_yaml
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.robot_table import read_robot
from robot_policies.robots.draft import draft_robot
from robot_policies.robots.reading import read_model

ODD = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <geom type="box" size="0.1 0.1 0.1" pos="0 0 0.1"/>
    <body name="arm" pos="0.1 0.2 0.3" quat="0.9 0.1 0.3 0.2">
      <joint name="turn" axis="0 1 1" pos="0.05 0 0.02" range="-1 1" ref="0.3"/>
      <joint name="slide" type="slide" axis="1 0 0" range="-0.2 0.3" ref="0.1"/>
      <geom size="0.1" pos="0.1 0 0"/>
      <site name="tool" pos="0.3 0.1 0" euler="0.4 0 0"/>
      <body name="hand" pos="0.2 0 0">
        <joint name="wrist" axis="0 0 1" pos="0 0.1 0" range="-2 2"/>
        <geom size="0.05"/>
        <body name="flap" pos="0 0 0.1"><joint name="loose"/><geom size="0.01"/></body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="turn"/><motor joint="slide"/><motor joint="wrist"/></actuator>
</mujoco>
"""
# Four bars: the coupler of unequal cranks, so that the output follows by no straight line.
FOUR_BARS = """
<mujoco>
  <worldbody>
    <body name="crank"><joint name="crank" axis="0 1 0" range="-30 30"/>
      <geom type="capsule" size="0.01" fromto="0 0 0 0 0 0.1"/>
      <body name="coupler" pos="0 0 0.1"><joint name="coupler" axis="0 1 0"/>
        <geom type="capsule" size="0.01" fromto="0 0 0 0.2 0 0"/></body></body>
    <body name="rocker" pos="0.2 0 0"><joint name="rocker" axis="0 1 0"/>
      <geom type="capsule" size="0.01" fromto="0 0 0 0 0 0.15"/></body>
  </worldbody>
  <equality><connect body1="coupler" body2="rocker" anchor="0.2 0 0"/></equality>
  <actuator><position joint="crank" kp="10"/></actuator>
</mujoco>
"""


def imported(text: str, folder: Path):
    (folder / "robot.xml").write_text(text)
    said = {"mjcf": "robot.xml"}
    model = read_model(said, folder, "odd.yaml: model")
    return model, read_robot(parse_yaml(draft_robot("odd", said, model, False).text), "odd", model)


def test_frames_are_where_mujoco_has_them(tmp_path: Path):
    model, robot = imported(ODD, tmp_path)
    assert model.remarks == ("joint 'loose': no motor moves it; it is fixed",)
    theirs = mujoco.MjModel.from_xml_string(ODD)
    data, rng = mujoco.MjData(theirs), np.random.default_rng(0)
    for _ in range(5):
        joints = rng.uniform(robot.lower, robot.upper)
        data.qpos[:3] = joints
        mujoco.mj_forward(theirs, data)
        for body in ("arm", "hand", "flap"):
            rotation, position = Kinematics(robot, body).pose(joints)
            np.testing.assert_allclose(position, data.body(body).xpos, atol=1e-12)
            np.testing.assert_allclose(rotation, data.body(body).xmat.reshape(3, 3), atol=1e-12)
        rotation, position = Kinematics(robot, "tool").pose(joints)
        np.testing.assert_allclose(position, data.site("tool").xpos, atol=1e-12)


def test_a_loop_of_bars_becomes_a_polynomial_of_its_driver(tmp_path: Path):
    text = FOUR_BARS.replace('anchor="0.2 0 0"', 'anchor="0.2 0 0.05"')
    text = text.replace('fromto="0 0 0 0.2 0 0"/>', 'fromto="0 0 0 0.2 0 0.05"/>')
    _, robot = imported(text, tmp_path)
    assert [joint.name for joint in robot.coupled] == ["coupler", "rocker"]
    end = np.array([0.2, 0.0, 0.05])
    for crank in np.linspace(-0.5, 0.5, 11):
        turn, place = Kinematics(robot, "coupler").pose(np.array([crank]))
        other, base = Kinematics(robot, "rocker").pose(np.array([crank]))
        closed = base + other @ np.array([0.0, 0.0, 0.15])
        np.testing.assert_allclose(place + turn @ end, closed, atol=3e-4)
    assert robot.coupled[1].coefficients[2] != 0.0


def test_what_the_model_does_not_say_is_refused_where_the_file_does_not_either(tmp_path: Path):
    from robot_policies.interface import ConfigError

    model, _ = imported(ODD, tmp_path)
    text = draft_robot("odd", {"mjcf": "robot.xml"}, model, False).text
    table = parse_yaml(text)
    for joint in table["joints"].values():
        del joint["velocity"]
    with pytest.raises(ConfigError, match=r"joints.turn: 'velocity' is missing"):
        read_robot(table, "odd.yaml", model)
    with pytest.raises(ConfigError, match="both 'links' and 'model'"):
        read_robot({**parse_yaml(text), "links": {}}, "odd.yaml", model)
    wrong = parse_yaml(text)
    wrong["joints"]["tunr"] = {}
    with pytest.raises(ConfigError, match="unknown key 'tunr'. Did you mean 'turn'"):
        read_robot(wrong, "odd.yaml", model)
