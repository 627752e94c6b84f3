"""An open tube of cloth, such as a sleeve, said without the words of any engine.

Its frame lies in the middle of its opening; x runs down the tube, and the vertices that are held
lie at the top, along z. Rings are numbered from the opening on, vertices ring after ring.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.interface.frames import matrix, quaternion


@dataclass(frozen=True, eq=False)
class Cloth:
    """A sleeve.

    Attributes:
        name: Its vertices are the state's truth `cloth.<name>`.
        radius: Of the opening. [m]
        length: Along the tube. [m]
        mass: Of the whole. [kg]
        holder: Link of the robot that holds the opening.
        position: Middle of the opening at the start of an episode. Shape (3,). [m]
        rotation: Roll, pitch, yaw at the start. Shape (3,). [rad]
        taper: Radius of the far end as a share of the opening's.
        held: Neighbouring vertices of the opening that the holder holds.
        around: Vertices in a ring.
        along: Rings.
        thickness: Of the cloth. [m]
        friction: Sliding coefficient. [1]
        stretch: Time constant with which a stretched edge is pulled back. [s]
        label: What a camera with labels takes it for; its own name if it is empty.
        color: Red, green, blue, alpha, 0 to 1.
    """

    name: str
    radius: float
    length: float
    mass: float
    holder: str
    position: tuple[float, float, float]
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    taper: float = 0.8
    held: int = 3
    around: int = 16
    along: int = 10
    thickness: float = 0.008
    friction: float = 0.3
    stretch: float = 0.01
    label: str = ""
    color: tuple[float, float, float, float] = (0.2, 0.45, 0.8, 1.0)

    def __post_init__(self) -> None:
        """Refuse a tube that has no cloth, or is held by more than it has."""
        object.__setattr__(self, "label", self.label or self.name)
        for key in ("radius", "length", "mass", "taper", "thickness", "stretch"):
            if not 0.0 < getattr(self, key) < np.inf:
                raise ConfigError(f"cloth '{self.name}': {key} {getattr(self, key)} must be > 0")
        if not 0.0 <= self.friction < np.inf:
            raise ConfigError(f"cloth '{self.name}': friction {self.friction} must be >= 0")
        if self.around < 6 or self.along < 2 or not 1 <= self.held <= self.around:
            raise ConfigError(
                f"cloth '{self.name}': needs at least 6 vertices around and 2 rings, and 1 to "
                f"{self.around} held, got {self.around}, {self.along} and {self.held}"
            )

    @cached_property
    def shape(self) -> np.ndarray:
        """Vertices at rest in the cloth's own frame. Shape (along * around, 3). [m]."""
        ring = np.arange(self.along)[:, None] / (self.along - 1)
        angle = 2.0 * np.pi * np.arange(self.around)[None, :] / self.around
        radius = self.radius * (1.0 - (1.0 - self.taper) * ring)
        x = np.broadcast_to(self.length * ring, (self.along, self.around))
        return np.stack([x, radius * np.sin(angle), radius * np.cos(angle)], axis=-1).reshape(
            -1, 3
        )

    @cached_property
    def vertices(self) -> np.ndarray:
        """Vertices in the world at the start. Shape (along * around, 3). [m]."""
        return self.shape @ matrix(quaternion(self.rotation)).T + np.array(self.position)

    @cached_property
    def triangles(self) -> np.ndarray:
        """Vertices of each triangle; diagonals alternate. Shape (n, 3)."""
        faces = []
        for i in range(self.along - 1):
            for j in range(self.around):
                a, b = i * self.around + j, i * self.around + (j + 1) % self.around
                c, d = a + self.around, b + self.around
                faces += [[a, c, b], [b, c, d]] if (i + j) % 2 == 0 else [[a, c, d], [a, d, b]]
        return np.array(faces)

    @cached_property
    def edges(self) -> np.ndarray:
        """Pairs of vertices that an edge joins. Shape (n, 2)."""
        sides = self.triangles[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2)
        return np.unique(np.sort(sides, axis=1), axis=0)

    @cached_property
    def grip(self) -> tuple[int, ...]:
        """Vertices that are held."""
        first = -(self.held // 2)
        return tuple(j % self.around for j in range(first, first + self.held))

    def strain(self, vertices: np.ndarray) -> float:
        """Return the length of the most stretched edge as a share of its length at rest.

        Args:
            vertices: Where they are now. Shape (along * around, 3). [m]
        """
        one, other = self.edges.T
        rest = np.linalg.norm(self.shape[one] - self.shape[other], axis=1)
        return float((np.linalg.norm(vertices[one] - vertices[other], axis=1) / rest).max())
