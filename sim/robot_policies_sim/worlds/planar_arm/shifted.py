"""Reach past an obstacle with an arm that is not the one a policy was trained on.

`arm_shifted` is all shifts together, `arm_shifted/mass` one of them.
"""

from collections.abc import Mapping

from robot_policies.interface import UnknownNameError
from robot_policies_sim.worlds.planar_arm.reach_avoid import ArmReachAvoid


class ArmShifted(ArmReachAvoid):
    """`ArmReachAvoid` under conditions that the policy has not been told of."""

    def __init__(
        self,
        name: str,
        shifts: Mapping[str, Mapping[str, float]],
        variant: str = "",
        horizon: float = 4.0,
    ) -> None:
        """Choose the shifts.

        Args:
            name: Task name.
            shifts: Conditions by the name of the shift.
            variant: Name of one shift; all together if empty.
            horizon: Longest duration of a trial. [s]

        Raises:
            UnknownNameError: If there is no such shift.
        """
        if variant and variant not in shifts:
            raise UnknownNameError("shift", variant, shifts, "arm_shifted")
        chosen = [shifts[variant]] if variant else list(shifts.values())
        conditions = {key: value for shift in chosen for key, value in shift.items()}
        super().__init__(name, horizon=horizon, conditions=conditions)
