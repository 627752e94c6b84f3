"""What a robot that touches a person keeps to; a task with a person says so.

The defaults follow "One Policy to Dress Them All" (arXiv 2306.12372) where it has a number; there
is no accepted limit of the force on a person who is dressed.
"""

from dataclasses import dataclass, fields

import numpy as np

from robot_policies.interface.errors import ConfigError


@dataclass(frozen=True)
class PersonLimits:
    """Limits beside a person.

    Attributes:
        force: Largest mean load at the wrist over `force_time`. [N]
        force_time: Time over which the load is averaged. [s]
        peak_force: Largest load of a single measurement. [N]
        clearance: Least distance to the person, of the watched link's origin and of the body of
            what the load cell carries. [m]
        speed: Largest speed of the watched link. [m/s]
        retreat: How far it backs off at most from what it pressed on. [m]
        cloud_age: Oldest picture of the person to move by. [s]
        shift: By how much the person may be seen to move until the robot waits; nine in ten shifts
            by 2 cm are seen as more, see `clouds.alignment`. [m]
        person_class: Class of the person's points in `observation.points`.
    """

    force: float = 5.0
    force_time: float = 0.1
    peak_force: float = 10.0
    clearance: float = 0.012
    speed: float = 0.1
    retreat: float = 0.05
    cloud_age: float = 0.2
    shift: float = 0.01
    person_class: int = 2

    def __post_init__(self) -> None:
        """Refuse limits that are none."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 < value < np.inf:
                raise ConfigError(f"person: {field.name} must be > 0 and finite, got {value}")
