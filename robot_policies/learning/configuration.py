"""What the configurations of this package's policies have in common, over LeRobot's.

It adds no number, so `config.json` holds what each policy says, in its order.
"""

from lerobot.configs.policies import PreTrainedConfig

from robot_policies.interface import ConfigError


class PolicyConfig(PreTrainedConfig):
    """A policy that answers the present observation; of a reward, it reads nothing.

    A policy that looks back, or into the future, says so in a property of its own.
    """

    @property
    def observation_delta_indices(self) -> list[int] | None:
        """Only the present is seen."""
        return None

    @property
    def reward_delta_indices(self) -> None:
        """Nothing is read."""
        return

    def require(self, name: str, right: bool, expected: str) -> None:
        """Refuse a number that cannot be.

        Args:
            name: Of the field.
            right: Whether it can.
            expected: What it must be, for the message.

        Raises:
            ConfigError: With the number.
        """
        if not right:
            raise ConfigError(f"{name} must be {expected}, got {getattr(self, name)}")
