# PyBullet is one compiled module and ships no stubs.
from typing import Any

def __getattr__(name: str) -> Any: ...
