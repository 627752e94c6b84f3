"""What GRAPE's policies do: pictures of one scene, a row for each policy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from grape_demonstrations import TASK_NAME
from PIL import Image

from robot_policies.evaluation.attempts import attempt_all

FRAMES, LARGER, COLORS = 8, 2, 64
SCENE = 23  # its obstacle stands in the straight way


def film(checkpoints: Sequence[Path], out: Path, scene: int = SCENE) -> None:
    """Let each policy act with its likeliest tokens, and write what its camera sees.

    Args:
        checkpoints: From the top row to the bottom.
        out: A picture file.
        scene: Seed of the initial state.
    """
    rows = []
    for checkpoint in checkpoints:
        (attempt,) = attempt_all(checkpoint, TASK_NAME, "mujoco", [scene], 1, temperature=0.0)
        seen = attempt.steps.picture.permute(0, 2, 3, 1).numpy()
        shown = np.linspace(0, len(seen) - 1, FRAMES).round().astype(int)
        rows.append(np.concatenate(list(seen[shown]), 1))
        print(checkpoint, f"success {attempt.success}, touched {attempt.touch.any()}", flush=True)
    picture = Image.fromarray(np.concatenate(rows, 0))
    size = (LARGER * picture.width, LARGER * picture.height)
    larger = picture.resize(size, Image.Resampling.LANCZOS)
    larger.quantize(COLORS).save(out, optimize=True)
