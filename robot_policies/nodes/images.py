"""What cameras see as `sensor_msgs/Image`: colour, depth and classes, handed over as `bytes`."""

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from robot_policies.data.ros_pictures import COLOR, DEPTH, LABELS


def encode_image(values: np.ndarray, header: Header) -> Image:
    """Return what a camera sees as a message.

    Args:
        values: Colour (height, width, 3) uint8, depth (height, width) float32 [m] or classes
            (height, width) uint8.
        header: Stamp and frame.
    """
    height, width = values.shape[:2]
    message = Image(header=header, height=height, width=width)
    kinds = COLOR if values.ndim == 3 else DEPTH if values.dtype.kind == "f" else LABELS
    message.encoding, message.step = kinds[0], values.itemsize * values[0].size
    message.data = values.tobytes()
    return message
