"""Robots that somebody else modelled: MJCF and URDF files read into a robot's parts."""
