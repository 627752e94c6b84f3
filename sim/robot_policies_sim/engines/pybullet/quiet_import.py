"""PyBullet, imported without its greeting.

The module prints its build time on standard error when it is imported; a command's error is to be
the only line there.
"""

import os
import sys

sys.stderr.flush()
_stderr = os.dup(2)
_nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)
try:
    import pybullet
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_nowhere)

__all__ = ["pybullet"]
