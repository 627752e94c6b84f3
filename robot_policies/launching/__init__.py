"""Start a launch file without ROS's own launcher: the same XML, read by a small supervisor."""

from robot_policies.launching.supervisor import launch_file, show_arguments

__all__ = ["launch_file", "show_arguments"]
