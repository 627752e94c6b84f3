"""ROS 2 nodes: the only part of the package, with `ros2_control_backend`, that imports rclpy."""

import os

PARENT = os.getppid()  # who started the process; what is imported afterwards takes seconds
