"""Clouds of points as `sensor_msgs/PointCloud2` and back: x, y, z and a class."""

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from robot_policies.data.ros_messages import Sample, to_seconds
from robot_policies.interface import ContractError
from robot_policies.interface.clouds import NAMES, present

AXES = NAMES[:3]
CLASS = ("class", "label")  # what the field is called; segmenters say `label`
MAX_POINT = 1 << 16  # bytes of a point; those of lidars have 16 to 48
FLOATS = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}
NUMBERS = FLOATS | {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
}


def encode_cloud(points: np.ndarray, header: Header) -> PointCloud2:
    """Return a cloud as a message; padding does not travel.

    Args:
        points: Shape (n, 4). [m]
        header: Stamp and frame.
    """
    points = np.ascontiguousarray(present(points), dtype=np.float32)
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(NAMES)
    ]
    message = PointCloud2(header=header, height=1, width=len(points), fields=fields)
    message.point_step, message.row_step, message.is_dense = 16, 16 * len(points), True
    message.data = points.tobytes()
    return message


def decode_cloud(message: PointCloud2) -> Sample:
    """Read a cloud; further fields are passed over. Shape (n, 4). [m].

    Points that are no numbers are read as such: whoever takes the cloud drops and counts them. A
    cloud without classes is of class 0.

    Raises:
        ContractError: If x, y or z is no floating-point field, or the data is not of the
            announced size.
    """
    if message.point_step > MAX_POINT:
        raise ContractError(f"cloud: {message.point_step} bytes a point, limit {MAX_POINT}")
    end = ">" if message.is_bigendian else "<"
    kinds = {field.name: field for field in message.fields}
    for axis in AXES:
        if axis not in kinds or kinds[axis].datatype not in FLOATS:
            raise ContractError(f"cloud: expected float x y z, got {_said(message)}")
    label = next((name for name in CLASS if name in kinds), None)
    names = [*AXES, *([label] if label else [])]
    for name in names:
        field = kinds[name]
        size = np.dtype(NUMBERS.get(field.datatype, "f8")).itemsize
        if field.datatype not in NUMBERS or field.offset + size > message.point_step:
            raise ContractError(f"cloud: field '{name}' cannot be read from {_said(message)}")
    layout = np.dtype(
        {
            "names": names,
            "formats": [end + NUMBERS[kinds[name].datatype] for name in names],
            "offsets": [kinds[name].offset for name in names],
            "itemsize": message.point_step,
        }
    )
    height, row = message.height, message.width * message.point_step
    if message.row_step < row or len(message.data) != height * message.row_step:
        raise ContractError(
            f"cloud: {len(message.data)} bytes for {height} rows of {message.row_step}, "
            f"{message.width} points of {message.point_step} wide"
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(height, message.row_step)
    cloud = np.ascontiguousarray(rows[:, :row]).reshape(-1).view(layout)
    values = np.zeros((len(cloud), len(NAMES)), np.float32)
    for column, name in enumerate(names):
        values[:, column] = cloud[name]
    stamp, frame = to_seconds(message.header.stamp), message.header.frame_id
    return Sample(values, stamp, frame=frame)


def _said(message: PointCloud2) -> str:
    fields = ", ".join(f"{field.name} (type {field.datatype})" for field in message.fields)
    return f"fields {fields or 'none'}, {message.point_step} bytes a point"
