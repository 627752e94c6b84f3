"""Which tests may run at the same time, where pytest-xdist runs them in several processes."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
GRAPHS = {"launch", "nodes", "hardware"}  # they start processes that need a core and real time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and those that need real time from running together."""
    for item in items:
        path = item.path.relative_to(TESTS)
        group = "graphs" if path.parts[0] in GRAPHS else str(path)
        item.add_marker(pytest.mark.xdist_group(group))
