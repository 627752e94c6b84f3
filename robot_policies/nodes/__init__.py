"""ROS 2 nodes: beside what speaks to ros2_control, the only part that imports rclpy."""

import os

PARENT = os.getppid()  # who started the process; what is imported afterwards takes seconds
