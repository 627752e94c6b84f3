"""`python -m robot_policies.nodes backend_node --ros-args ...`: a node as a program.

Its imports take seconds. An interrupt within them ends the process without a word: nothing is held
yet, and a traceback from the middle of an import says nothing.
"""

import os
import signal

signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))

import sys  # noqa: E402
from importlib import import_module  # noqa: E402


def main() -> None:
    """Run the node that the first word names."""
    name = sys.argv.pop(1)
    if not (name.isidentifier() and name.endswith("_node")):
        raise SystemExit(f"no node '{name}'")
    run = import_module(f"{__package__}.{name}").main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
