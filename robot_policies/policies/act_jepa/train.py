"""Training: LeRobot's own `lerobot-train` with this policy registered, and three things changed.

LeRobot loads the future of every observation, images included; ACT-JEPA needs that of the state
alone, and a sample would decode 30 images for one (`resolve_sequences`). Reading that future from
disk takes longer than a training step (`make_datasets`). And a resumed run would go through its
first epoch again (`ResumingSampler`). All three hold while `main` runs; without them, a plain
`lerobot-train --policy.discover_packages_path=robot_policies.policies` has the same losses, until
it is resumed.

    main(["--preset=small", "--dataset.repo_id=me/demos", "--dataset.root=DIR", "--steps=2000"])
    main(["--policy.objective=act", ...])        ACT without CVAE, from the same blocks
    main(["--policy.type=act", "--policy.use_vae=false", ...])   LeRobot's own ACT
    main(["--policy.path=DIR", ...])             a new run from old weights
    main(["--resume=true", "--config_path=CHECKPOINT/pretrained_model/train_config.json"])
    main(["--stage=probe", ...])                 what the encoder knows of the future; see probe.py
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from lerobot.configs import parser
from lerobot.datasets import EpisodeAwareSampler, factory
from lerobot.scripts import lerobot_train

from robot_policies.data.reading import open_dataset
from robot_policies.interface import UnknownNameError
from robot_policies.policies.act_jepa import probe
from robot_policies.policies.act_jepa.configuration_act_jepa import SMALL, ActJepaConfig
from robot_policies.policies.act_jepa.memory import hold_in_memory

OURS = "act_jepa"
PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "small": SMALL}
BATCH_SIZES = {"paper": 128, "small": 32}  # [C configs]; [own]
STAGES = ("train", "probe")

_resolve = factory.resolve_delta_timestamps
_make_datasets = factory.make_train_eval_datasets


def main(argv: Sequence[str] | None = None) -> None:
    """Train as the arguments say; they are those of `lerobot-train`, with defaults for ours.

    Args:
        argv: Arguments without the program's name; by default, those of the process. Besides
            LeRobot's, `--preset=paper|small` and `--stage=train|probe`.

    Raises:
        ConfigError: If data set and policy do not fit; before the first step.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    stage = parser.parse_arg("stage", given) or STAGES[0]
    if stage not in STAGES:
        raise UnknownNameError("stage", stage, STAGES, "--stage")
    given = parser.filter_arg("stage", given)
    if stage == "probe":
        probe.main(parser.filter_arg("policy.type", given))
        return
    # LeRobot reads the command line in several places, so it has to be there.
    command = ["lerobot-train", *with_defaults(given)]
    with (
        _replaced(sys, "argv", command),
        _replaced(factory, "resolve_delta_timestamps", resolve_sequences),
        _replaced(lerobot_train, "make_train_eval_datasets", make_datasets),
        _replaced(lerobot_train, "EpisodeAwareSampler", ResumingSampler),
    ):
        lerobot_train.train()  # pyright: ignore[reportCallIssue]


def with_defaults(given: Sequence[str]) -> list[str]:
    """Return the arguments for LeRobot, those of the user last.

    Raises:
        ConfigError: If the preset does not exist, or the data set is not whole.
    """
    preset = parser.parse_arg("preset", given) or "paper"
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS, "--preset")
    given = parser.filter_arg("preset", given)
    root = parser.parse_arg("dataset.root", given)
    if root is not None:
        open_dataset(Path(root))
    if parser.parse_arg("resume", given) == "true":
        return given
    ours = parser.parse_arg("policy.type", given) in (None, OURS)
    path = parser.parse_arg("policy.path", given)
    defaults = {} if ours else {"policy.push_to_hub": "false"}
    defaults |= {"num_workers": "0"}
    if ours:
        defaults |= {f"policy.{name}": _text(value) for name, value in PRESETS[preset].items()}
        if path is None:
            defaults["policy.type"] = OURS
        else:
            # The sizes are those of the weights; the schedule is the new run's.
            given = parser.filter_arg("policy.type", given)  # LeRobot takes no type with a path
            defaults = {"num_workers": "0", "policy.restart_schedule": "true"}
        steps = parser.parse_arg("steps", given) or str(_default("total_steps", preset))
        defaults |= {
            "steps": steps,
            "policy.total_steps": steps,
            "batch_size": str(BATCH_SIZES[preset]),
        }
    missing = {name: value for name, value in defaults.items() if _absent(name, given)}
    return [*(f"--{name}={value}" for name, value in missing.items()), *given]


def _default(name: str, preset: str) -> Any:
    if name in PRESETS[preset]:
        return PRESETS[preset][name]
    values = {f.name: f.default for f in fields(ActJepaConfig) if f.default is not MISSING}
    return values[name]


def _absent(name: str, given: Sequence[str]) -> bool:
    return parser.parse_arg(name, given) is None


def _text(value: Any) -> str:
    """Write a value the way LeRobot's parser reads it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def resolve_sequences(config: Any, meta: Any) -> dict[str, list[float]] | None:
    """Return which moments of each feature to load, for LeRobot's data set.

    ACT-JEPA gets the future of its `sequence_features` alone.
    """
    wanted = _resolve(config, meta)
    if wanted is None or not isinstance(config, ActJepaConfig):
        return wanted
    names = config.sequence_features
    return {
        key: times
        for key, times in wanted.items()
        if key in names or not key.startswith("observation.")
    }


def make_datasets(config: Any) -> tuple[Any, Any]:
    """Make LeRobot's data sets, and hold them in memory."""
    return tuple(hold_in_memory(data) for data in _make_datasets(config))  # pyright: ignore[reportReturnType]


class ResumingSampler(EpisodeAwareSampler):
    """A sampler that goes on with the epoch it was stopped in.

    On resuming, LeRobot sets epoch and position; accelerate, which counts its own epochs from 0
    again, then sets the epoch back, and the run sees the order of its first epoch once more.
    """

    _first_epoch = 0

    def load_state_dict(self, state: dict) -> None:
        """Take over where a run was stopped."""
        super().load_state_dict(state)
        self._first_epoch = state["epoch"]

    def set_epoch(self, epoch: int) -> None:
        """Begin the epoch that is `epoch` after the first one of this process."""
        super().set_epoch(self._first_epoch + epoch)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put something else in a module's place for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


if __name__ == "__main__":
    main()
