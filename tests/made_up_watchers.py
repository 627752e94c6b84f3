"""Watchers that say what reached them, for a process of their own; it imports them from here."""

import time
from collections import Counter
from pathlib import Path

CAMERA = "observation.images.front"


class Told:
    """Writes the number of each step it is told of to a file; slow where it is asked to be."""

    name = "told"

    def __init__(self, path: Path, pause: float = 0.0) -> None:
        self.path, self.pause = path, pause
        self.lacks: Counter[str] = Counter()
        self.notes: list[str] = []

    def begin(self, robot, policy, task, initial) -> None:
        self.file = self.path.open("a", buffering=1)

    def step(self, record) -> None:
        time.sleep(self.pause)
        seen = record.state.features.get(CAMERA)
        print(
            round(record.time / 0.02),
            -1 if seen is None else seen[0].any(-1).sum(),
            file=self.file,
        )

    def end(self, result) -> None:
        self.notes.append(f"{self.lacks[CAMERA]} pictures, {self.lacks['rows']} rows lost")

    def close(self) -> None:
        self.file.close()

    def steps(self) -> list[int]:
        return [int(line.split()[0]) for line in self.path.read_text().splitlines()]


class Shown(Told):
    """So does this, and may miss some."""

    name, patience = "shown", 2.0

    def skip(self, record) -> bool:
        self.lacks["steps"] += 1
        return True


class Failing(Told):
    """Fails at its third step."""

    def step(self, record) -> None:
        super().step(record)
        if len(self.steps()) == 3:
            raise OSError(28, "No space left on device")
