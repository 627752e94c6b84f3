"""The control thread before all others: SCHED_FIFO, on a core of its own where one is named.

Other threads of the process, which record, compress and look after DDS, stay as they are.
"""

import os
import re

from robot_policies.interface import ConfigError

OFF = ("", "0", "none")
LEAST, MOST = 1, 99  # of SCHED_FIFO, sched(7)


def raise_priority(text: str) -> None:
    """Give the calling thread its priority.

    Args:
        text: `PRIORITY` or `PRIORITY@CORE`, such as `10@3`; `0` leaves everything as it is.

    Raises:
        ConfigError: If it is no such text, or the system does not allow it.
    """
    if text in OFF:
        return
    parsed = re.fullmatch(r"(\d{1,2})(?:@(\d{1,4}))?", text)
    if not parsed or int(parsed[1]) < LEAST:
        raise ConfigError(f"realtime is '{text}', expected {LEAST} to {MOST}, or 10@3 for core 3")
    cores = os.sched_getaffinity(0)
    if parsed[2] and int(parsed[2]) not in cores:
        raise ConfigError(f"realtime is '{text}', this process may run on cores {sorted(cores)}")
    try:
        # What this thread starts from now on has the ordinary priority.
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(int(parsed[1])))
    except OSError as error:
        raise ConfigError(
            f"realtime is '{text}', the system does not allow it ({error.strerror}); a line "
            f"'USER - rtprio {parsed[1]}' in /etc/security/limits.conf does, after a new login"
        ) from None
    if parsed[2]:
        os.sched_setaffinity(0, {int(parsed[2])})
