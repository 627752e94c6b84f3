"""PyBullet."""
