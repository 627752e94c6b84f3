"""Clouds of points as sensors send them: any field order, further fields, either byte order."""

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from robot_policies.interface import ContractError
from robot_policies.interface.clouds import PADDING, cloud_spec, pad
from robot_policies.interface.observation import POINTS
from robot_policies.nodes.clouds import decode_cloud, encode_cloud
from robot_policies.nodes.messages import encode_state
from robot_policies.nodes.streams import stream

HEADER = Header(frame_id="base")
KINDS = {
    "f4": PointField.FLOAT32,
    "f8": PointField.FLOAT64,
    "u1": PointField.UINT8,
    "i4": PointField.INT32,
}
RNG = np.random.default_rng(0)
XYZ = RNG.normal(size=(6, 3)).astype(np.float32)


def message(fields: str, big: bool = False, padding: int = 0, height: int = 1) -> PointCloud2:
    """Return XYZ as a driver sends it: `fields` as `name:kind`, row padding in bytes."""
    named = [entry.split(":") for entry in fields.split()]
    layout = np.dtype([(name, ("> " if big else "<").strip() + kind) for name, kind in named])
    cloud = np.zeros(len(XYZ), layout)
    for name, _ in named:
        cloud[name] = XYZ[:, "xyz".index(name)] if name in "xyz" else 7
    width = len(XYZ) // height
    rows = cloud.reshape(height, width).view(np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return PointCloud2(
        header=HEADER,
        height=height,
        width=width,
        fields=[
            PointField(name=n, offset=layout.fields[n][1], datatype=KINDS[k], count=1)
            for n, k in named
        ],
        is_bigendian=big,
        point_step=layout.itemsize,
        row_step=rows.shape[1],
        data=rows.tobytes(),
    )


@pytest.mark.parametrize("how", [{}, {"big": True}, {"padding": 5, "height": 2}])
@pytest.mark.parametrize(
    "fields", ["x:f4 y:f4 z:f4", "intensity:f4 z:f4 ring:u1 y:f8 x:f4", "rgb:i4 y:f8 z:f8 x:f8"]
)
def test_a_cloud_is_read_by_the_names_of_its_fields(fields, how):
    sample = decode_cloud(message(fields, **how))
    np.testing.assert_allclose(sample.values[:, :3], XYZ, rtol=1e-6)
    np.testing.assert_array_equal(sample.values[:, 3], 0.0)
    assert sample.frame == "base"


@pytest.mark.parametrize("field", ["class:u1", "label:i4", "class:f4"])
def test_a_class_may_be_any_number(field):
    sample = decode_cloud(message(f"{field} x:f4 y:f4 z:f4"))
    np.testing.assert_array_equal(sample.values[:, 3], 7.0)


def test_padding_does_not_travel():
    cloud = pad(np.column_stack([XYZ, np.arange(6)]), 10)
    sent = encode_cloud(cloud, HEADER)
    assert (sent.width, sent.point_step, len(sent.data)) == (6, 16, 96)
    np.testing.assert_array_equal(decode_cloud(sent).values, cloud[:6])


def test_the_frame_travels_with_the_robots_state():
    from robot_policies.catalog import load_robot
    from robot_policies.interface import RobotState

    robot = load_robot("so101")
    cloud = pad(np.column_stack([XYZ, np.ones(6)]), 8)
    state = RobotState(0.0, robot.default, robot.default, features={POINTS: cloud})
    sent = encode_state(robot, state, {POINTS: cloud_spec(8, "base")})[POINTS]
    assert sent.header.frame_id == "base"
    assert stream(POINTS).decode(sent).values[:, 3].min() > PADDING


def broken(change) -> PointCloud2:
    made = message("x:f4 y:f4 z:f4")
    change(made)
    return made


BAD = {
    "no z": (message("x:f4 y:f4 a:f4"), "expected float x y z, got fields x"),
    "whole numbers": (message("x:i4 y:f4 z:f4"), "expected float x y z"),
    "too little data": (broken(lambda m: setattr(m, "width", 7)), "84 wide|7 points of 12 wide"),
    "no rows": (broken(lambda m: setattr(m, "height", 2)), "72 bytes for 2 rows"),
    "a field beyond the point": (
        broken(lambda m: setattr(m.fields[2], "offset", 4000)),
        "field 'z' cannot be read",
    ),
}


@pytest.mark.parametrize(("cloud", "complaint"), BAD.values(), ids=BAD)
def test_a_cloud_that_is_not_whole_is_refused(cloud, complaint):
    with pytest.raises(ContractError, match=complaint):
        decode_cloud(cloud)
