"""Drivers of physical robots, and the loopback that stands in for one."""
