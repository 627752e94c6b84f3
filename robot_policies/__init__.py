"""Run learned policies on robots: one contract, one safety gate, simulators and hardware alike."""

__version__ = "0.1.0"
