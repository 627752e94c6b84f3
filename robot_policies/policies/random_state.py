"""A policy's own turn at torch's generator, of which a process has one per device."""

import torch


class RandomState:
    """Where one policy's sequence of random numbers stands, while others draw from theirs."""

    def __init__(self, device: torch.device) -> None:
        """Take the generator that networks on this device sample from."""
        self._generator = torch.default_generator
        if device.type == "cuda":
            torch.cuda.init()
            self._generator = torch.cuda.default_generators[device.index or 0]
        elif device.type == "mps":
            self._generator = torch.mps._get_default_mps_generator()
        self._own = self._others = self._generator.get_state()

    def seed(self, seed: int) -> None:
        """Start the policy's own sequence."""
        self._own = torch.Generator(self._generator.device).manual_seed(seed).get_state()

    def __enter__(self) -> None:
        """Sample from the policy's own sequence."""
        self._others = self._generator.get_state()
        self._generator.set_state(self._own)

    def __exit__(self, *exception: object) -> None:
        """Leave everybody else's sequence as it was."""
        self._own = self._generator.get_state()
        self._generator.set_state(self._others)
