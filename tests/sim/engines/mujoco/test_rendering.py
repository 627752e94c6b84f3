"""A machine that cannot draw says what to install; the physics does not need it."""

import pytest

from robot_policies.interface import BackendError
from robot_policies_sim.engines.mujoco import rendering


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(rendering, "LIBRARIES", {"egl": "libNoSuchEGL.so.1"})
    with pytest.raises(BackendError, match=r"libNoSuchEGL.*apt-get install libegl1") as raised:
        rendering.context_class.__wrapped__()
    assert len(str(raised.value).splitlines()) == 1


def test_a_platform_with_a_screen_is_not_used(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(BackendError, match="MUJOCO_GL=glfw, known are"):
        rendering.context_class.__wrapped__()
