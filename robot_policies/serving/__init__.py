"""A policy for robots without ROS: observations in, chunks out, over a WebSocket."""
