"""Simulators, worlds and tasks."""
