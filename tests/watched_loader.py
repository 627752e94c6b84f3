"""Loads checkpoints, one per line of its input, and says what else that did to the machine.

A process of its own: what Python's audit hooks see can never be unseen. The first line is a good
checkpoint, which brings the libraries in; from then on everything is watched.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from robot_policies.interface import RobotPoliciesError
from robot_policies.policies.catalog import load_policy

ROOT = Path(__file__).resolve().parents[1]
READABLE = [sys.prefix, sys.base_prefix, str(ROOT), *sys.path, "/proc", "/sys", "/usr/share"]
LIBRARIES = {"robot_policies", "lerobot", "torch", "torchvision", "transformers", "tokenizers"}
FORBIDDEN = (
    *("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork"),
    *("socket.", "urllib.", "pickle.find_class", "marshal.loads", "webbrowser.", "shutil.rmtree"),
    *("os.remove", "os.rename", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.putenv"),
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Notes what a checkpoint must not do."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.folder = ""
        self.seen: list[str] = []
        self.on = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event of this process."""
        if not self.on:
            return
        if event == "open":
            self._opened(*arguments)
        elif event == "import":
            top = str(arguments[0]).partition(".")[0]
            if top not in LIBRARIES and top not in sys.modules:
                self.seen.append(f"import {arguments[0]}")
        elif event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments}")

    def _opened(self, path: Any, mode: Any, flags: int) -> None:
        if isinstance(path, int):
            return
        real = os.path.realpath(os.fsdecode(path))
        inside = any(within(real, place) for place in (self.folder, *READABLE))
        if (flags & WRITES and real != os.devnull) or not inside:
            self.seen.append(f"open {real} {mode}")


def within(path: str, place: str) -> bool:
    return bool(place) and f"{path}/".startswith(f"{os.path.realpath(place)}/")


def answer(watch: Watch, folder: str) -> dict[str, Any]:
    watch.folder, watch.seen, watch.on = folder, [], True
    said, fault = "", ""
    try:
        load_policy(folder)
    except RobotPoliciesError as error:
        said = str(error)
    except BaseException:
        fault = traceback.format_exc()
    watch.on = False
    return {"said": said, "fault": fault, "seen": watch.seen}


def main() -> None:
    watch = Watch()
    sys.addaudithook(watch.hook)
    load_policy(sys.stdin.readline().strip())
    for line in sys.stdin:
        print(json.dumps(answer(watch, line.strip())), flush=True)


if __name__ == "__main__":
    main()
