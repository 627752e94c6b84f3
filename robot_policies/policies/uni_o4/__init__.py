"""Uni-O4: one objective from simulation or logs to the robot (Lei et al. 2024)."""
