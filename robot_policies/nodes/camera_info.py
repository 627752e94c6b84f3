"""What a picture's pixels mean: `sensor_msgs/CameraInfo` beside every colour picture."""

from collections.abc import Mapping
from typing import Any

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from robot_policies.interface import RecordedBackend, RobotBackend, Simulator
from robot_policies.interface.observation import IMAGES
from robot_policies.interface.robot_parts import Camera
from robot_policies.nodes.streams import camera_of


def topic_of_info(feature: str) -> str:
    """Return the relative topic beside that of a picture such as `observation.images.top`."""
    return f"camera/{camera_of(feature)}/camera_info"


def drawn_cameras(backend: RobotBackend) -> Mapping[str, Camera]:
    """Return the cameras whose optics are known, by feature: those that a simulator draws.

    The table's focal length is the simulators'. A real camera's is had by calibration alone.
    """
    if not isinstance(backend, Simulator) or isinstance(backend, RecordedBackend):
        return {}
    return {f"{IMAGES}.{camera.name}": camera for camera in backend.spec.cameras}


def encode_camera_info(camera: Camera | None, height: int, width: int, header: Header) -> Any:
    """Return the message of one picture.

    Args:
        camera: The camera that was drawn; `None` if its optics are not known. K is then zero, as
            the message defines it for a camera that is not calibrated.
        height: Of the picture. [px]
        width: Of the picture. [px]
        header: The picture's.
    """
    message = CameraInfo(header=header, height=height, width=width)
    if camera and (camera.height, camera.width) == (height, width):
        # Pixel centres have whole coordinates, so the axis meets the picture between two of them.
        f, x, y = float(camera.focal_length), (width - 1) / 2.0, (height - 1) / 2.0
        message.distortion_model, message.d = "plumb_bob", [0.0] * 5
        message.k = [f, 0.0, x, 0.0, f, y, 0.0, 0.0, 1.0]
        message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        message.p = [f, 0.0, x, 0.0, 0.0, f, y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message
