"""ROS 2 nodes: the only part of the package, with `ros2_control_backend`, that imports rclpy."""
