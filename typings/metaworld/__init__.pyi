# In the benchmark environment only.
from typing import Any

def __getattr__(name: str) -> Any: ...
