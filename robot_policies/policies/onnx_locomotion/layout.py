"""`network` of a walking policy's contract: where each number of its input comes from.

    network:
      default_position: [0.0, 0.8, -1.5, ...]  # rad, in the order of the action
      stacked_by: term                         # or time: all terms of a moment side by side
      observation:                             # in the order of the network's input
        - {term: base_ang_vel, unit: rad/s, frame: trunk, scale: 0.25, clip: [-100, 100],
           history: [0]}                       # control steps ago, in their order
      action: {scale: 0.25, offset: [0.0, 0.8, ...], clip: [-100, 100],
               limits: [[-1.0, ...], [1.0, ...]], speed: [27.0, ...]}

A term is scaled, then clipped. The network's answer is clipped; the target of a joint is
`offset + scale * answer` [rad], at most `speed` [rad/s] from the one in force, within `limits`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.interface.schema import build, vector
from robot_policies.policies.onnx_locomotion.entries import Answer, Network, Term
from robot_policies.policies.onnx_locomotion.terms import KINDS, Moment, needed


@dataclass(frozen=True, eq=False)
class Layout:
    """What goes into a network and what comes out of it, as arrays.

    A frame is the terms of one moment side by side, F numbers; the input takes W numbers of the
    frames that are remembered.

    Attributes:
        terms: In the order of a frame.
        scale: Of each number of a frame. Shape (F,).
        clip: Least and greatest number of a frame. Shape (2, F).
        pick: Which number of the remembered frames, newest first, stands where. Shape (W,).
        steps: Frames that are remembered.
        default: The pose positions are counted from. Shape (J,). [rad]
        action_scale: [rad] of one unit of the answer. Shape (J,).
        action_offset: Target of the answer 0. Shape (J,). [rad]
        action_clip: Least and greatest answer. Shape (2, J).
        limits: Least and greatest target. Shape (2, J). [rad]
        speed: Greatest change of a target; `None` if it is any. Shape (J,). [rad/s]
    """

    terms: tuple[Term, ...]
    scale: np.ndarray
    clip: np.ndarray
    pick: np.ndarray
    steps: int
    default: np.ndarray
    action_scale: np.ndarray
    action_offset: np.ndarray
    action_clip: np.ndarray
    limits: np.ndarray
    speed: np.ndarray | None

    @property
    def fields(self) -> list[str]:
        """Fields of a moment that have to be measured."""
        asked = ["target"] if self.speed is not None else []
        return [*needed(term.term for term in self.terms), *asked]

    def target(self, answer: np.ndarray, moment: Moment, dt: float) -> np.ndarray:
        """Return the joint targets of an answer. Shape (J,). [rad]

        Args:
            answer: Of the network, clipped. Shape (J,).
            moment: Whose `target` is in force.
            dt: Time since that one. [s]
        """  # noqa: D415
        target = self.action_offset + self.action_scale * answer
        if self.speed is not None:
            step = self.speed * dt
            target = target.clip(moment.target - step, moment.target + step)
        return target.clip(*self.limits)


def read_layout(entry: Mapping[str, Any], joints: tuple[str, ...], imu: str, where: str) -> Layout:
    """Read `network`.

    Args:
        entry: The entry of `contract.yaml`.
        joints: Names in the order of the action.
        imu: Link that carries the robot's inertial unit.
        where: File, for messages.

    Raises:
        ConfigError: Naming the key, and the nearest valid name.
    """
    where = f"{where}: network"
    if not entry:
        raise ConfigError(f"{where} is missing: it says what the network sees")
    data, count = build(Network, entry, where), len(joints)
    terms = []
    for i, each in enumerate(data.observation):
        place = f"{where}.observation[{i}]"
        term = build(Term, each, place)
        framed = KINDS[term.term].framed
        if term.frame != (imu if framed else ""):
            expected = f"the inertial unit's, '{imu}'" if framed else "none"
            raise ConfigError(f"{place}: frame '{term.frame}' of {term.term}, expected {expected}")
        terms.append(term)
    widths = [KINDS[term.term].width(count) for term in terms]
    named = [f"{where}.observation[{i}]: {term.term}" for i, term in enumerate(terms)]
    each = list(zip(terms, widths, named, strict=True))
    action = build(Answer, data.action, f"{where}.action")
    speed = action.speed
    if speed is not None:
        speed = vector(speed, count, f"{where}.action.speed")
        if (speed <= 0.0).any():
            raise ConfigError(f"{where}.action.speed: {action.speed} must be > 0")
    return Layout(
        terms=tuple(terms),
        scale=np.concatenate([vector(t.scale, w, f"{n}: scale") for t, w, n in each]),
        clip=np.concatenate([_range(t.clip, w, f"{n}: clip") for t, w, n in each], axis=1),
        pick=_pick(terms, widths, data.stacked_by, where),
        steps=max(age for term in terms for age in term.history) + 1,
        default=vector(data.default_position, count, f"{where}.default_position"),
        action_scale=vector(action.scale, count, f"{where}.action.scale"),
        action_offset=vector(action.offset, count, f"{where}.action.offset"),
        action_clip=_range(action.clip, count, f"{where}.action.clip"),
        limits=_range(action.limits, count, f"{where}.action.limits"),
        speed=speed,
    )


def _range(entry: Any, width: int, where: str) -> np.ndarray:
    """Return least and greatest value; without an entry they are infinite. Shape (2, width)."""
    if entry is None:
        return np.stack([np.full(width, -np.inf), np.full(width, np.inf)])
    if not isinstance(entry, list | tuple) or len(entry) != 2:
        raise ConfigError(f"{where}: expected least and greatest value, got {entry!r}")
    lower, upper = (vector(bound, width, where) for bound in entry)
    if (lower > upper).any():
        raise ConfigError(f"{where}: reversed, {entry!r}")
    return np.stack([lower, upper])


def _pick(terms: list[Term], widths: list[int], stacked_by: str, where: str) -> np.ndarray:
    """Return the places of the input's numbers in the remembered frames, newest first."""
    starts = np.cumsum([0, *widths])
    frame = int(starts[-1])
    blocks = [
        [age * frame + np.arange(start, start + width) for age in term.history]
        for term, start, width in zip(terms, starts, widths, strict=False)
    ]
    if stacked_by == "time":
        for term in terms:
            if [*term.history] != [*terms[0].history]:
                raise ConfigError(
                    f"{where}: stacked_by time: history {[*term.history]} of {term.term} differs "
                    f"from {[*terms[0].history]} of {terms[0].term}"
                )
        blocks = list(zip(*blocks, strict=True))
    return np.concatenate([block for row in blocks for block in row])
