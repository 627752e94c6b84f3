"""`python -m robot_policies.nodes backend_node --ros-args ...`: a node as a program.

Its imports take seconds. An interrupt within them ends the process without a word: nothing is held
yet, and a traceback from the middle of an import says nothing.
"""

import os
import signal

signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))

import sys  # noqa: E402
from importlib import import_module  # noqa: E402

NODES = "backend_node", "bringup_node", "operator_node", "policy_node"


def main() -> None:
    """Run the node that the first word names."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in NODES:
        from robot_policies.interface.errors import suggestion

        sys.exit(f"no node '{name}'.{suggestion(name, NODES)}")
    run = import_module(f"{__package__}.{name}").main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
