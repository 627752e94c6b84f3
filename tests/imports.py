"""What every module of the project imports, read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "robot_policies": ROOT,
    "robot_policies_sim": ROOT / "sim",
    "robot_policies_hardware": ROOT / "hardware",
}


def imported(source: str) -> Iterator[str]:
    """Yield every module that a source imports, `from a import b` as `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_by_name() -> dict[str, Path]:
    """Return the file of every module of the project."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package, root in PACKAGES.items()
        for path in sorted((root / package).rglob("*.py"))
    }
