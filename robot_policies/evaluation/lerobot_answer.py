"""What an answer of a checkpoint takes in one process, through LeRobot alone.

`python -m robot_policies.evaluation.lerobot_answer FOLDER PAUSE DEVICE [THREADS]` prints one line
of JSON: `threads`, and `took`, the time of each answer [s]. Before each it pauses [s], as a robot
does that follows a plan: caches forget the network meanwhile. An answer leads from arrays as
cameras and joints give them through LeRobot's preprocessor, its network and its postprocessor to
an array. Without a number of threads it is chosen as the policy's node chooses it.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lerobot.configs import FeatureType, PreTrainedConfig
from lerobot.policies.utils import prepare_observation_for_inference

from robot_policies.control.warm_up import choose_threads
from robot_policies.interface import RobotPoliciesError
from robot_policies.policies.asking import asking
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.device import find_device
from robot_policies.policies.plan_form import plan_form
from robot_policies.policies.specs import settings_of

ANSWERS = 7  # after one that does not count


def answers(ask: Callable[[], object], pause: float = 0.0) -> list[float]:
    """Return what each of a few answers takes, with a pause before each. [s]."""
    times = []
    for _ in range(ANSWERS + 1):
        time.sleep(pause)
        begin = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begin)
    return times[1:]


def question(
    folder: Path, device: str = "cpu", base: Path | None = None
) -> Callable[[], np.ndarray]:
    """Return a function that lets a checkpoint answer made-up observations. Shape (rows, width).

    Args:
        folder: The checkpoint.
        device: As `find_device` takes it.
        base: The base, if the checkpoint is an adapter.

    Raises:
        CheckpointError: If the checkpoint is damaged.
        ConfigError: If the device is not there.
    """
    device = find_device(device)
    checkpoint = read_checkpoint(folder, device, base)
    config, policy = checkpoint.config, checkpoint.policy
    ask_network = asking(policy, plan_form(settings_of(config)))
    observation = made_up(config)

    def ask() -> np.ndarray:
        with torch.inference_mode():
            batch = prepare_observation_for_inference(dict(observation), torch.device(device))
            plan = ask_network([checkpoint.preprocessor(batch)])
            return checkpoint.postprocessor(plan)[0].numpy()

    return ask


def made_up(config: PreTrainedConfig) -> dict[str, np.ndarray]:
    """Return an observation of noise: images (height, width, 3) uint8, vectors (n,) float32."""
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, 255, (*feature.shape[1:], feature.shape[0]), dtype=np.uint8)
        if feature.type is FeatureType.VISUAL
        else rng.random(feature.shape, dtype=np.float32)
        for name, feature in (config.input_features or {}).items()
    }


def main() -> None:
    """Measure."""
    folder, base, pause, device, *given = sys.argv[1:]
    try:
        ask = question(Path(folder), device, Path(base) if base else None)
    except RobotPoliciesError as error:
        sys.exit(str(error))
    if given:
        threads = int(given[0])
        torch.set_num_threads(threads)
    else:
        threads, _ = choose_threads(lambda: float(np.median(answers(ask))), torch.set_num_threads)
    print(json.dumps({"threads": threads, "took": answers(ask, float(pause))}))


if __name__ == "__main__":
    main()
