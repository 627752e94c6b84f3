"""Limits that belong to the operation of a robot, by class of robots."""

from dataclasses import dataclass

from robot_policies.interface import RobotSpec, Task
from robot_policies.interface.person import PersonLimits

ARM_PLAN_AGE = 8.0  # s; 100 rows at 30 Hz (LeRobot's ACT) and an answer that takes 4 s
LEGGED_PLAN_AGE = 0.5  # s; a gait has turned half round by then


@dataclass(frozen=True)
class SafetyLimits:
    """Limits that are not the robot's but the operation's.

    Attributes:
        command_timeout: After the last valid action the robot holds within this time. [s]
        hold_time: It holds for this long, then damps. [s]
        settle_time: A legged robot that holds is in its default pose after this long, unless its
            speed limits are lower; a robot with a fixed base stays at its last command. [s]
        state_timeout: Oldest measurement a command may be judged by. [s]
        plan_age: Oldest observation whose plan may still be followed. [s]
        approach_time: An action that is too far from the command in force is approached for at
            most this long. [s]
        refusal_time: Actions refused for this long without a valid one trip the stop. [s]
        position_margin: Kept free at both ends of every joint's range. [rad], [m]
        velocity_margin: Factor on the robot's speed limits.
        acceleration_margin: Factor on the robot's acceleration limits.
        effort_margin: Factor on the robot's effort limits; 1 allows what the servo can give.
        base_velocity: Largest forward [m/s], sideways [m/s] and yaw speed [rad/s].
        base_acceleration: Largest change of each. [m/s^2], [m/s^2], [rad/s^2]
        person: Those beside a person; `None` if there is none.
    """

    command_timeout: float = 0.1
    hold_time: float = 1.0
    settle_time: float = 0.2
    state_timeout: float = 0.1
    plan_age: float = 2.0
    approach_time: float = 0.4
    refusal_time: float = 0.5
    position_margin: float = 0.0
    velocity_margin: float = 1.0
    acceleration_margin: float = 1.0
    effort_margin: float = 1.0
    base_velocity: tuple[float, float, float] = (1.0, 0.6, 1.5)
    base_acceleration: tuple[float, float, float] = (4.0, 4.0, 8.0)
    person: PersonLimits | None = None

    @classmethod
    def of(
        cls, robot: RobotSpec, plan_age: float = 0.0, task: Task | None = None
    ) -> "SafetyLimits":
        """Return the limits of a class of robots, and of a task with a person.

        A robot with a fixed base stands safely while it holds, so it may follow a plan for seconds
        and wait for the next one. A legged robot balances on what it last saw.

        Args:
            robot: The robot.
            plan_age: Oldest observation whose plan may still be followed; 0 is the class's. [s]
            task: What is to be done; `None` if nobody said.
        """
        person = getattr(task, "person", None)  # a task need not derive from the protocol
        if robot.floating_base:
            return cls(plan_age=plan_age or LEGGED_PLAN_AGE, person=person)
        age = plan_age or ARM_PLAN_AGE
        return cls(plan_age=age, hold_time=age, person=person)
