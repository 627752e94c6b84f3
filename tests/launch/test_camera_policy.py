"""The shipped camera policy through the launch file: pictures and an instruction to joint targets."""  # noqa: E501

import json
import math
import os
from pathlib import Path

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from lerobot.motors import MotorCalibration
from ros_graph import Graph, mode_of
from sensor_msgs.msg import CameraInfo, Image, JointState
from serial_arm import six_servos
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from robot_policies.catalog import load_robot
from robot_policies.nodes.qos import LATCHED

PLACE = ("policy:=act_jepa/tabletop_place", "robot:=so101", "task:=tabletop_place")
ROBOT = load_robot("so101")
TICK = 2.0 * math.pi / 4095.0  # rad


def test_pictures_become_joint_targets_on_a_loopback():
    with Graph(*PLACE, "backend:=loopback") as graph:
        chunks = graph.listen(JointTrajectory, "action_chunk")
        sent = graph.listen(JointState, "command_sent")
        obeyed = lambda: [m for _, m in sent if mode_of(m) == "policy"]  # noqa: E731
        assert graph.wait(lambda: len(chunks) > 2 and len(obeyed()) > 20, 60.0)
    assert tuple(chunks[-1][1].joint_names) == ROBOT.joint_names
    assert len(chunks[-1][1].points) == 20
    assert obeyed()[-1].position != obeyed()[0].position


def test_rviz_and_rectification_find_what_they_need():
    with Graph(*PLACE, "backend:=mujoco") as graph:
        models = graph.listen(String, "robot_description", LATCHED)
        pictures = graph.listen(Image, "camera/top/image_raw", 10)
        infos = graph.listen(CameraInfo, "camera/top/camera_info")
        statuses = graph.listen(DiagnosticArray, "/diagnostics")
        assert graph.wait(lambda: len(pictures) > 3 and len(infos) > 3 and models, 60.0)
        of_robot = lambda: [s for _, m in statuses for s in m.status if s.name == "backend"]  # noqa: E731
        assert graph.wait(of_robot)
    headers = [(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id) for _, m in infos]
    shown = pictures[-2][1].header
    assert (shown.stamp.sec, shown.stamp.nanosec, shown.frame_id) in headers
    assert f'link name="{shown.frame_id}"' in models[0][1].data
    top = next(camera for camera in ROBOT.cameras if camera.name == "top")
    assert infos[0][1].k[0] == top.focal_length
    assert of_robot()[-1].hardware_id == "so101 on mujoco"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_the_named_cube_leaves_the_table_in_a_launched_simulation(engine, tmp_path):
    summary = tmp_path / "summary.json"
    graph = Graph(*PLACE, f"backend:={engine}", "seed:=4", f"summary:={summary}")
    status, errors = graph.end(None)
    assert status == 0, errors
    assert json.loads(summary.read_text())["metrics"]["progress"] >= 0.5


def calibrated(joint):
    """The range of a servo [ticks]; the default pose lies inside."""
    return (1000, 3000) if joint == "gripper" else (500, 3500)


@pytest.fixture
def bus():
    """Six calibrated servos in the arm's default pose."""
    bus = six_servos()
    for id_, joint in enumerate(ROBOT.joints, start=1):
        share = (joint.default - joint.lower) / (joint.upper - joint.lower)
        middle = 1000 + 2000 * share if joint.name == "gripper" else 2000 + joint.default / TICK
        low, high = calibrated(joint.name)
        for register, value in (
            ("Min_Position_Limit", low),
            ("Max_Position_Limit", high),
            ("Goal_Position", 0),
        ):
            bus.put(id_, register, value)
        bus.put(id_, "Present_Position", round(middle))
    yield bus
    bus.close()


def test_pictures_become_servo_goals_through_lerobots_own_driver(bus, tmp_path, monkeypatch):
    calibration = {
        joint.name: vars(MotorCalibration(id_, 0, 0, *calibrated(joint.name)))
        for id_, joint in enumerate(ROBOT.joints, start=1)
    }
    (tmp_path / "test.json").write_text(json.dumps(calibration))
    plugin = tmp_path / "lerobot_camera_still-0.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: lerobot_camera_still\n")
    paths = (str(Path(__file__).parents[1]), str(tmp_path), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    still = {"type": "still", "width": 640, "height": 480, "fps": 30}
    options = {
        "port": bus.port,
        "id": "test",
        "calibration_dir": str(tmp_path),
        "cameras": {"top": still, "wrist": still},
        "pictures": dict.fromkeys(("top", "wrist"), {"width": 96, "height": 96}),
    }
    before = [bus.get(id_, "Present_Position") for id_ in bus.servos]
    summary = tmp_path / "summary.json"
    graph = Graph(
        *PLACE,
        "backend:=lerobot",
        f"options:={yaml.safe_dump(options, default_flow_style=True, width=1000).strip()}",
        "seconds:=3",
        f"summary:={summary}",
    )
    status, errors = graph.end(None)

    assert status == 0, errors
    assert json.loads(summary.read_text())["latency"]["p50"] < 1.0
    fastest = ROBOT.velocity.max() / ROBOT.control_rate / TICK
    assert max(bus.furthest.values()) <= 4.0 * fastest, "the gate bounds a step"
    after = [bus.get(id_, "Present_Position") for id_ in bus.servos]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) > 20
    assert set(bus.torque.values()) == {1}
