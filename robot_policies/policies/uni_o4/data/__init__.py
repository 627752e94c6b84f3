"""Transitions to learn from, read from logs and files."""
