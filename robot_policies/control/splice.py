"""Following a changing plan with bounded jerk: what joins an old chunk to a new one.

The commanded position of a joint is a triple sum of its jerks. With control period T, position x,
its differences v and a, and the jerk u of each step (all scaled by powers of T),

    a' = a + u,   v' = v + a',   x' = x + v',

so u is exactly the third finite difference of what is sent, and |u| <= jerk limit T^3 is the
bound. Over N steps the last three positions are linear in u_1..u_N, hence

    join    the least-squares u that meets the plan for three steps in a row (position, velocity
            and acceleration), in the fewest steps N that keep every limit on the way;
    stop    the least-squares u that ends at rest, in the fewest such N.

A join's first step is taken only if a stop inside the limits exists from where it leads; otherwise
the stop found one step earlier goes on. A robot at rest has a stop (stay), so by induction there
always is one: no sequence of plans, however wild, brings a command past a position, velocity,
acceleration or jerk limit. A plan that the limits allow is met in N = 3 and followed exactly.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from robot_policies.interface import Command, RobotSpec

STEPS = (3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
MARGIN = 1.0 - 1e-9  # of every limit, for floating-point error
REST = 1e-12  # rad or m; what rounding may leave at a limit
SAME = 1e-6  # rad or m; a command that differs by less is the one that was asked for
SLOT = 0.5  # share of a period before which a call repeats the last answer (see safety.JITTER)

Plan = Callable[[np.ndarray], np.ndarray]  # times (k,) [s] -> positions (k, n)


class Splicer:
    """Commands for the named joints, one per control period."""

    def __init__(self, robot: RobotSpec, names: tuple[str, ...]) -> None:
        """Take the limits.

        Args:
            robot: The robot.
            names: Joints, in the order of the plan's columns.
        """
        self._columns = [robot.joint_names.index(name) for name in names]
        self._period = period = 1.0 / robot.control_rate
        self._lower, self._upper = robot.lower[self._columns], robot.upper[self._columns]
        self._velocity = robot.velocity[self._columns] * period * MARGIN
        self._acceleration = robot.acceleration[self._columns] * period**2 * MARGIN
        self._jerk = robot.jerk[self._columns] * period**3 * MARGIN
        self.reset()

    def reset(self) -> None:
        """Forget the motion; the next command starts it anew."""
        self._moving = False
        self._rest_at(np.zeros(len(self._columns)))
        self._time = -np.inf

    def rest(self) -> None:
        """Take note that nothing was commanded: whoever holds the robot holds the last command."""
        self._rest_at(self._x)

    def follow(self, plan: Plan, now: float, sent: Command | None) -> np.ndarray:
        """Return the command for this control step.

        Args:
            plan: What to follow. Where it is not finite or leaves the position limits now, it is
                returned as it is, for the safety gate to refuse, and the motion ends.
            now: Time. [s]
            sent: The command in force. If it is not the last answer of this method, the motion
                starts anew from it, at rest.

        Returns:
            Positions. Shape (n,). [rad], [m]
        """
        here = plan(np.array([now]))[0]
        if not ((self._lower <= here) & (here <= self._upper)).all():
            self.rest()
            return here
        if sent is not None:
            start = sent.values[self._columns]
            if not (self._moving and np.allclose(start, self._x, rtol=0.0, atol=SAME)):
                self._rest_at(np.clip(start, self._lower, self._upper))
        elif not self._moving:
            self._rest_at(here)
        self._moving = True
        if now < self._time:
            self._time = -np.inf
        if now - self._time >= SLOT * self._period:
            self._time = now
            self._advance(plan, now)
        return self._x

    def _rest_at(self, position: np.ndarray) -> None:
        n = len(position)
        self._x, self._v, self._a = position, np.zeros(n), np.zeros(n)
        self._stop = np.zeros((STEPS[-1], n))

    def _advance(self, plan: Plan, now: float) -> None:
        """Take one step: a' = a + u, v' = v + a', x' = x + v', with a join's u or a stop's."""
        jerk, joined = self._join(plan, now)
        a = self._a + jerk
        v = self._v + a
        stop, stops = self._find_stop(self._x + v, v, a)
        go = joined & stops
        u = np.where(go, jerk, self._stop[0])
        self._stop = np.where(go, stop, np.vstack([self._stop[1:], np.zeros_like(u)]))
        self._a = self._a + u
        self._v = self._v + self._a
        self._x = np.clip(self._x + self._v, self._lower, self._upper)  # by at most REST

    def _join(self, plan: Plan, now: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the first jerk of the shortest join of each joint, and which have one."""
        ahead = plan(now + self._period * np.arange(STEPS[-1]))
        ahead = np.where((self._lower <= ahead) & (ahead <= self._upper), ahead, np.nan)
        first, joined = np.zeros(len(self._x)), np.zeros(len(self._x), dtype=bool)
        for steps in STEPS:
            x, before, earlier = ahead[steps - 1], ahead[steps - 2], ahead[steps - 3]
            goal = np.array([x, x - before, x - 2.0 * before + earlier])
            jerk = self._least_jerk(goal, self._x, self._v, self._a, steps)
            new = ~joined & self._allowed(jerk, self._x, self._v, self._a)
            first = np.where(new, jerk[0], first)
            joined |= new
            if joined.all():
                break
        return first, joined

    def _find_stop(
        self, x: np.ndarray, v: np.ndarray, a: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the jerks of the shortest stop of each joint, and which have one."""
        stop, stops = np.zeros((STEPS[-1], len(x))), np.zeros(len(x), dtype=bool)
        for steps in (2, *STEPS):
            jerk = self._least_jerk(np.zeros((2, len(x))), x, v, a, steps)
            new = ~stops & self._allowed(jerk, x, v, a)
            stop[:steps, new] = jerk[:, new]
            stops |= new
            if stops.all():
                break
        return stop, stops

    @staticmethod
    def _least_jerk(
        goal: np.ndarray, x: np.ndarray, v: np.ndarray, a: np.ndarray, steps: int
    ) -> np.ndarray:
        """Return the jerks that reach (x, v, a), or (v, a), after some steps. Shape (steps, n).

        Without jerk N steps lead to x + N v + N (N + 1) / 2 a, v + N a and a; what is missing is
        linear in the jerks, and `_solver` gives the shortest ones.
        """
        drift = np.array([x + steps * v + steps * (steps + 1) / 2 * a, v + steps * a, a])
        return _solver(steps, len(goal)) @ (goal - drift[-len(goal) :])

    def _allowed(
        self, jerk: np.ndarray, x: np.ndarray, v: np.ndarray, a: np.ndarray
    ) -> np.ndarray:
        """Return for which joints a sequence of jerks keeps every limit. Shape (n,)."""
        acceleration = a + np.cumsum(jerk, axis=0)
        velocity = v + np.cumsum(acceleration, axis=0)
        position = x + np.cumsum(velocity, axis=0)
        kept = (np.abs(jerk) <= self._jerk) & (np.abs(acceleration) <= self._acceleration)
        kept &= np.abs(velocity) <= self._velocity
        kept &= (self._lower - REST <= position) & (position <= self._upper + REST)
        return np.all(kept, axis=0)


@cache
def _solver(steps: int, rows: int) -> np.ndarray:
    """Return the least-squares inverse from (x, v, a) or (v, a) to jerks. Shape (steps, rows).

    A jerk with i steps left adds i (i + 1) / 2 to x, i to v and 1 to a; rows are scaled to a
    largest element of 1, for the pseudoinverse's sake.
    """
    left = np.arange(steps, 0, -1.0)  # steps that a jerk still acts for
    influence = np.array([left * (left + 1.0) / 2.0, left, np.ones(steps)])[-rows:]
    scale = influence.max(axis=1)
    return np.linalg.pinv(influence / scale[:, None]) / scale
