"""A process that ends with the one that started it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(parent: int | None = None) -> None:
    """Have this process interrupted when its parent dies: no robot walks on without supervision.

    Linux only, see prctl(2); elsewhere the nodes' own watch over each other has to do.

    Args:
        parent: Process id of the parent, if it may have died already; then this process is
            interrupted at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGINT)
