"""Drivers that are patient with emulated buses."""

from serial_arm import patience  # noqa: F401, a fixture
