"""Offscreen pictures of a MuJoCo model, on machines without a screen.

MuJoCo picks its OpenGL platform when it is first imported, from an environment variable. Here the
platform is picked when the first picture is made, from what the machine has, so that the order of
imports does not matter and a simulation without pictures needs no OpenGL.
"""

import ctypes
import os
from functools import cache
from typing import Any

import mujoco
import numpy as np

from robot_policies.interface import BackendError

INSTALL = "apt-get install libegl1 libgl1 libgl1-mesa-dri (or libosmesa6)"
NOTHING = 0.999  # share of the farthest that is drawn from which on there is nothing
LIBRARIES = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}


@cache
def context_class() -> type:
    """Return MuJoCo's GL context class for this machine; `MUJOCO_GL` decides if it is set.

    Raises:
        BackendError: Naming the libraries to install.
    """
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    # llvmpipe starts a thread per core by default; small images are faster with one.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    tried = []
    for platform, library in LIBRARIES.items():
        if wanted not in ("", platform):
            continue
        try:
            ctypes.CDLL(library)
            if platform == "egl":
                from mujoco.egl import GLContext
            else:
                from mujoco.osmesa import GLContext
            GLContext(16, 16).free()
        except (OSError, ImportError, AttributeError, RuntimeError) as error:
            tried.append(f"{library}: {error}")
            continue
        return GLContext
    problem = "; ".join(tried) or f"MUJOCO_GL={wanted}, known are {sorted(LIBRARIES)}"
    raise BackendError(f"mujoco: cannot draw without a screen ({problem}); {INSTALL}")


class OffscreenRenderer:
    """Draws one model into images of any size up to the model's offscreen buffer."""

    def __init__(self, model: mujoco.MjModel) -> None:
        """Make the context.

        Args:
            model: Compiled model; a later model may be drawn if it has the same assets.

        Raises:
            BackendError: If the machine cannot draw.
        """
        self._size = (model.vis.global_.offwidth, model.vis.global_.offheight)
        self._gl: Any = context_class()(*self._size)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        near, far = model.vis.map.znear, model.vis.map.zfar
        self._near, self._far = near * model.stat.extent, far * model.stat.extent
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR.value  # more digits

    def draw(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: mujoco.MjvCamera,
        width: int,
        height: int,
    ) -> np.ndarray:
        """Return what a camera sees. Shape (height, width, 3), uint8 RGB.

        Raises:
            BackendError: If the image is larger than the offscreen buffer.
        """
        if not (0 < width <= self._size[0] and 0 < height <= self._size[1]):
            raise BackendError(f"mujoco: image {width}x{height} is larger than {self._size}")
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(model, data, self._option, None, camera, everything, self._scene)
        self._gl.make_current()
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(area, self._scene, self._context)
        image = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(image, None, area, self._context)
        return np.ascontiguousarray(image[::-1])  # OpenGL's first row is the lowest

    def measure(self, width: int, height: int) -> np.ndarray:
        """Return how far away is what was drawn last, in the same size.

        The buffer is turned round for more digits: it holds distances z as
        b = near (far - z) / (z (far - near)), 1 at the near plane and 0 at the far one.

        Returns:
            Distance along the optical axis, 0 where there is nothing. Shape (height, width),
            float32. [m]
        """
        buffer = np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(None, buffer, mujoco.MjrRect(0, 0, width, height), self._context)
        near, far = self._near, self._far
        depth = near * far / (near + buffer[::-1].astype(np.float64) * (far - near))
        depth[depth > NOTHING * far] = 0.0
        return depth.astype(np.float32)

    def identify(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: mujoco.MjvCamera,
        width: int,
        height: int,
    ) -> np.ndarray:
        """Return what is in each pixel. Shape (height, width).

        Returns:
            The number of a geom, or that of a flex counted on from the geoms; -1 for nothing.
        """
        flags = (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR)
        try:
            for flag in flags:
                self._scene.flags[flag] = 1
            colors = self.draw(model, data, camera, width, height).astype(np.int32)
        finally:
            for flag in flags:
                self._scene.flags[flag] = 0
        drawn = (colors * [1, 1 << 8, 1 << 16]).sum(axis=2)  # 0 is the background
        first = {mujoco.mjtObj.mjOBJ_GEOM.value: 0, mujoco.mjtObj.mjOBJ_FLEX.value: model.ngeom}
        shapes = [self._scene.geoms[i] for i in range(self._scene.ngeom)]
        numbers = np.full(len(shapes) + 1, -1)
        for shape in shapes:
            if shape.objtype in first and shape.segid >= 0:
                numbers[shape.segid + 1] = first[shape.objtype] + shape.objid
        return numbers[drawn]

    def close(self) -> None:
        """Free the context."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()
