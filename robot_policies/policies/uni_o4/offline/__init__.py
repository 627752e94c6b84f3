"""Learning from logged transitions, without the robot."""
