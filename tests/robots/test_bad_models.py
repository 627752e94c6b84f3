"""A model that cannot be a robot is refused in one line that names the part."""

from pathlib import Path

import pytest

from robot_policies.interface import ConfigError
from robot_policies.robots.reading import read_model

MASS = '<inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial>'


def urdf(limit: str = 'lower="-1" upper="1"', kind: str = "revolute", more: str = "") -> str:
    return (
        f'<robot name="r"><link name="base"/><link name="arm">{MASS}{more}</link>'
        f'<joint name="j" type="{kind}"><parent link="base"/><child link="arm"/>'
        f'<axis xyz="0 0 1"/><limit {limit} effort="1" velocity="1"/></joint></robot>'
    )


def mjcf(body: str, rest: str = "") -> str:
    return f"<mujoco><worldbody>{body}</worldbody>{rest}</mujoco>"


GEOM = '<geom size="0.1"/>'
HINGE = f'<body name="arm"><joint name="j"/>{GEOM}%s</body>'
MOTOR = '<actuator><motor joint="j"/></actuator>'
FREE = f'<body name="cube"><freejoint name="loose"/>{GEOM}</body>'
BALL = f'<body name="hand"><joint name="wrist" type="ball"/>{GEOM}</body>'


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("urdf", urdf(limit='lower="0" upper="0"'), "joint 'j': limits reversed or zero"),
        ("urdf", urdf(limit='lower="1" upper="-1"'), "lower 1.0, upper -1.0"),
        ("urdf", urdf(kind="fixed"), "no joint moves; joints: j"),
        ("urdf", urdf(kind="floating"), "joint 'j': type 'floating' is not read"),
        ("urdf", urdf(kind="revolut"), "Did you mean 'revolute'"),
        ("urdf", urdf().replace(MASS, ""), "joint 'j' moves it and it has no mass"),
        ("urdf", urdf().replace('"0 0 1"', '"0 0 0"'), "joint 'j': axis"),
        ("urdf", urdf().replace('child link="arm"', 'child link="amr"'), "Did you mean 'arm'"),
        ("urdf", urdf().replace('value="1"', 'value="nan"'), "got 'nan'"),
        ("urdf", urdf(more='<collision><geometry><mesh filename="a.stl"/></geometry></collision>'),
         "no mesh"),
        ("urdf", urdf(more='<visual><geometry><mesh filename="package://no_such/a.stl"/></geometry>'
                      "</visual>"), "no package 'no_such'"),
        ("urdf", "<robot><link", "is no XML"),
        ("urdf", "<mujoco/>", "a <mujoco>, expected a <robot>"),
        ("mjcf", mjcf(HINGE % ""), "no joint has an actuator; joints: j"),
        ("mjcf", mjcf(HINGE % BALL, MOTOR), "joint 'wrist' of body 'hand': a ball joint"),
        ("mjcf", mjcf(HINGE % "" + FREE, MOTOR), "joint 'loose' of body 'cube': only the base"),
        ("mjcf", mjcf(HINGE % "", MOTOR.replace('"j"', '"k"')), "unknown transmission target"),
        ("mjcf", mjcf('<body name="arm"><joint name="j"/><geom type="mesh" mesh="m"/></body>',
                      '<asset><mesh name="m" file="absent.stl"/></asset>' + MOTOR), "absent.stl"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_a_robot(tmp_path: Path, kind, text, said):
    path = tmp_path / f"robot.{kind}"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_model({kind: path.name}, tmp_path, "mine.yaml: model")
    line = str(refusal.value)
    assert said in line
    assert str(path) in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"mjfc": "a.xml"}, "unknown key 'mjfc'. Did you mean 'mjcf'"),
        ({"mjcf": "a.xml", "urdf": "b.urdf"}, "expected one of mjcf, urdf, menagerie"),
        ({"urdf": "absent.urdf"}, "no file"),
        ({"urdf": 3}, "expected a name, got 3"),
        ({"menagerie": "unitree_go3"}, "Did you mean 'unitree_go1'"),
        ({"menagerie": "ufactory_xarm7/xarm9.xml"}, "say 'ufactory_xarm7/FILE' with one of"),
    ],
)
def test_a_model_that_is_not_there(tmp_path: Path, monkeypatch, model, said):
    for folder in ("unitree_go1", "ufactory_xarm7"):
        (tmp_path / "menagerie" / folder).mkdir(parents=True)
        (tmp_path / "menagerie" / folder / "hand.xml").touch()
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path / "menagerie"))
    with pytest.raises(ConfigError, match="mine.yaml: model") as refusal:
        read_model(model, tmp_path, "mine.yaml: model")
    assert said in str(refusal.value)


def test_inertia_that_no_body_has_is_read_as_its_mean_and_said(tmp_path: Path):
    text = urdf().replace('ixx="1"', 'ixx="4"')
    (tmp_path / "robot.urdf").write_text(text)
    model = read_model({"urdf": "robot.urdf"}, tmp_path, "mine.yaml: model")
    np_inertia = model.links[1].inertia
    assert np_inertia == pytest.approx([2.0, 2.0, 2.0])
    assert "link 'arm': inertial: no body has" in model.remarks[0]


def test_a_mimic_of_a_mimic_follows_the_joint_that_is_driven(tmp_path: Path):
    finger = (
        f'<link name="{{0}}">{MASS}</link><joint name="{{0}}" type="prismatic">'
        '<parent link="arm"/><child link="{0}"/>'
        '<limit lower="0" upper="1" effort="1" velocity="1"/>'
        '<mimic joint="{1}" multiplier="{2}" offset="{3}"/></joint>'
    )
    fingers = finger.format("one", "j", -2, 0.5) + finger.format("two", "one", 3, 0.25)
    (tmp_path / "robot.urdf").write_text(urdf().replace("</robot>", fingers + "</robot>"))
    model = read_model({"urdf": "robot.urdf"}, tmp_path, "mine.yaml: model")
    one, two = model.coupled
    assert (one.driver, two.driver) == ("j", "j")
    assert one.position(0.1) == pytest.approx(0.5 - 2 * 0.1)
    assert two.position(0.1) == pytest.approx(0.25 + 3 * (0.5 - 2 * 0.1))


def test_a_xacro_file_is_expanded(tmp_path: Path):
    text = urdf().replace("<robot", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro"')
    text = text.replace('name="r">', 'name="r"><xacro:property name="reach" value="${2 * 0.75}"/>')
    (tmp_path / "robot.urdf.xacro").write_text(text.replace('upper="1"', 'upper="${reach}"'))
    model = read_model({"urdf": "robot.urdf.xacro"}, tmp_path, "mine.yaml: model")
    assert model.joints["j"]["upper"] == 1.5
    (tmp_path / "robot.urdf.xacro").write_text(text.replace('upper="1"', 'upper="${absent}"'))
    with pytest.raises(ConfigError, match=r"xacro: .*absent"):
        read_model({"urdf": "robot.urdf.xacro"}, tmp_path, "mine.yaml: model")
