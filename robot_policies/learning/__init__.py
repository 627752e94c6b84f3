"""Torch code that two or more policies use."""
