import gc
import weakref

import pytest

from robot_policies.nodes.graph_node import exempt_from_collection


class Loop:
    """Garbage that only the collector finds."""

    def __init__(self):
        self.me = self


@pytest.fixture
def unfrozen():
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("unfrozen")
def test_what_is_loaded_is_not_walked_through_again():
    kept = Loop()
    exempt_from_collection()
    assert not any(thing is kept for thing in gc.get_objects())


@pytest.mark.usefixtures("unfrozen")
def test_what_an_earlier_configuration_left_behind_is_collected():
    left = weakref.ref(Loop())
    gc.freeze()
    gc.collect()
    assert left() is not None
    exempt_from_collection()
    assert left() is None
