"""Readers of the two HDF5 layouts that offline reinforcement learning is published in.

Minari: groups `episode_<i>` with `observations` (n + 1 rows), `actions`, `rewards`,
`terminations`, `truncations` (n rows). D4RL: `observations`, `actions`, `rewards`, `terminals` and
`timeouts` of all episodes behind each other; a row that was cut off has no next observation, so it
is left out unless `next_observations` holds it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.policies.uni_o4.data.transitions import Transitions, check

MAX_BYTES = 2 << 30  # of one array; a file of a few kB may claim any number of rows
MINARI_FILE = Path("data", "main_data.hdf5")
D4RL = ("observations", "actions", "rewards", "terminals")
MINARI = ("observations", "actions", "rewards", "terminations", "truncations")


def read_hdf5(path: Path) -> Transitions:
    """Read a Minari dataset (its folder or its file) or a D4RL-style file.

    Raises:
        ConfigError: In one line, if h5py is missing, the file is something else, or its numbers
            cannot be; actions lie in [-1, 1].
    """
    try:
        import h5py
    except ImportError:
        raise ConfigError(f"{path}: reading HDF5 needs h5py: pip install h5py") from None
    file_path = path / MINARI_FILE if path.is_dir() else path
    if file_path.exists() and not file_path.is_file():
        raise ConfigError(f"{file_path}: is no regular file")
    try:
        with h5py.File(file_path, "r") as file:
            if all(name in file for name in D4RL):
                return check(_d4rl(path, file), -1.0, 1.0)
            names = [str(name) for name in file]
            episodes = sorted(
                (name for name in names if name.startswith("episode_")),
                key=lambda name: int(name.removeprefix("episode_")),
            )
            if episodes:
                parts = [_minari(path, file[name], i) for i, name in enumerate(episodes)]
                return check(Transitions.joined(parts), -1.0, 1.0)
            raise ConfigError(
                f"{path}: neither Minari (groups episode_0, ...) nor D4RL ({', '.join(D4RL)}); "
                f"it has {sorted(names)[:8]}"
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{file_path}: cannot be read as HDF5: {reason}") from None


def _d4rl(path: Path, file: Any) -> Transitions:
    observation, action = _vectors(path, file, "observations"), _vectors(path, file, "actions")
    arrays = {name: _numbers(path, file, name) for name in D4RL[2:]}
    count = len(observation)
    timeouts = _numbers(path, file, "timeouts") if "timeouts" in file else np.zeros(count, bool)
    arrays |= {"observations": observation, "actions": action}
    lengths = {name: len(array) for name, array in arrays.items()} | {"timeouts": len(timeouts)}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"{path}: columns of unequal length: {lengths}")
    if not count:
        raise ConfigError(f"{path}: holds no rows")
    terminal, cut = arrays["terminals"].astype(bool), timeouts.astype(bool)
    end = terminal | cut
    if "next_observations" in file:
        following = _vectors(path, file, "next_observations")
        if following.shape != observation.shape:
            raise ConfigError(f"{path}: {following.shape} next observations, {observation.shape}")
        kept = np.ones(count, bool)
    else:
        following = np.concatenate([observation[1:], observation[-1:]])
        # Nothing is carried over a terminal, whatever the next row says; a cut row has no next.
        kept = terminal | ~cut
        kept[-1] = terminal[-1]
        following = np.where(terminal[:, None], observation, following)
    data = Transitions(
        source=str(path),
        observation=observation,
        action=action,
        reward=arrays["rewards"].astype(np.float32),
        next_observation=following,
        terminal=terminal,
        last=end | np.append(~kept[1:], True),
        episode=np.cumsum(np.append(0, end[:-1])),
    )
    return data.take(kept)


def _minari(path: Path, group: Any, number: int) -> Transitions:
    missing = [name for name in MINARI if name not in group]
    if missing:
        raise ConfigError(f"{path}: episode {number} lacks {missing}")
    if hasattr(group["observations"], "keys"):  # a group
        raise ConfigError(
            f"{path}: observations are a dictionary {sorted(group['observations'])}; only plain "
            f"vectors are read"
        )
    observation, action = _vectors(path, group, "observations"), _vectors(path, group, "actions")
    rest = [_numbers(path, group, name) for name in MINARI[2:]]
    count = len(action)
    if len(observation) != count + 1 or any(len(array) != count for array in rest):
        raise ConfigError(
            f"{path}: episode {number}: {len(observation)} observations, {count} actions and "
            f"{[len(array) for array in rest]} of {MINARI[2:]}; expected one observation more"
        )
    reward, terminal, _ = rest
    return Transitions(
        source=str(path),
        observation=observation[:-1],
        action=action,
        reward=reward.astype(np.float32),
        next_observation=observation[1:],
        terminal=terminal.astype(bool),
        last=np.arange(count) == count - 1,
        episode=np.full(count, number),
    )


def _vectors(path: Path, group: Any, name: str) -> np.ndarray:
    array = _read(path, group, name)
    if array.ndim != 2:
        raise ConfigError(f"{path}: {name} has shape {array.shape}, expected one vector per row")
    return array.astype(np.float32)


def _numbers(path: Path, group: Any, name: str) -> np.ndarray:
    array = _read(path, group, name)
    if array.shape not in ((len(array),), (len(array), 1)):
        raise ConfigError(f"{path}: {name} has shape {array.shape}, expected one number per row")
    return array.reshape(-1)


def _read(path: Path, group: Any, name: str) -> np.ndarray:
    """Return an array of the file itself: HDF5 can also point into other files."""
    data = group[name]
    kind = getattr(getattr(data, "dtype", None), "kind", "")
    if kind not in "fiub" or not data.shape:
        raise ConfigError(f"{path}: {name} is no array of numbers")
    if data.file != group.file or data.is_virtual or data.external:
        raise ConfigError(f"{path}: {name} lies in another file")
    if data.nbytes > MAX_BYTES:
        raise ConfigError(f"{path}: {name} claims {data.nbytes} bytes, limit {MAX_BYTES}")
    return np.asarray(data[:])
