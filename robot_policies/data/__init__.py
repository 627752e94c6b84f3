"""Recordings: written while a robot runs, stored as LeRobotDataset v3, looked at by people."""
