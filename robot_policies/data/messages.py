"""What the control thread tells the process that watches, as byte strings.

A record is copied without what nobody watches (the policy's observation and its chunk). Large
arrays are copied once, beside the pickle. The reader is a process of this package, which was
started by the writer.
"""

import pickle
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.data.byte_queue import Bytes
from robot_policies.interface import RobotState
from robot_policies.interface.observation import is_picture

if TYPE_CHECKING:
    from robot_policies.control.records import StepRecord

LARGE = 4096  # bytes; from this size on an array is not copied into the pickle
SIZE = struct.Struct("<Q")

Pictures = Mapping[str, tuple[np.ndarray, float]]  # feature name to array and capture time [s]
Fields = dict[str, Any]


def pack(message: Any) -> list[Bytes]:
    """Return a message in parts: sizes, pickle, large arrays."""
    arrays: list[memoryview] = []

    def inside(buffer: pickle.PickleBuffer) -> bool:
        data = buffer.raw()
        if data.nbytes < LARGE:
            return True
        arrays.append(data)
        return False

    head = pickle.dumps(message, protocol=5, buffer_callback=inside)
    sizes = [len(head), *(array.nbytes for array in arrays)]
    return [struct.pack(f"<{1 + len(sizes)}Q", len(sizes), *sizes), head, *arrays]


def unpack(data: memoryview) -> Any:
    """Return the message of the joined parts; its large arrays share their memory."""
    (count,) = SIZE.unpack_from(data)
    position = SIZE.size * (1 + count)
    parts = []
    for size in struct.unpack_from(f"<{count}Q", data, SIZE.size):
        parts.append(data[position : position + size])
        position += size
    return pickle.loads(parts[0], buffers=parts[1:])


def take_apart(record: "StepRecord") -> tuple[Fields, Pictures]:
    """Return a record's fields without pictures, and the pictures."""
    state = record.state
    pictures = {
        name: (value, state.stamps[name])
        for name, value in state.features.items()
        if is_picture(name)
    }
    features = {name: v for name, v in state.features.items() if name not in pictures}
    stamps = {name: state.stamps[name] for name in features}
    fields = {**vars(state), "features": features, "stamps": stamps}
    return {**vars(record), "state": fields, "observation": None, "chunk": None}, pictures


def put_together(fields: Fields, pictures: Pictures) -> "StepRecord":
    """Return the record of what `take_apart` returned."""
    from robot_policies.control.records import StepRecord

    state = dict(fields["state"])
    state["features"] |= {name: value for name, (value, _) in pictures.items()}
    state["stamps"] |= {name: stamp for name, (_, stamp) in pictures.items()}
    return StepRecord(**{**fields, "state": RobotState(**state)})
