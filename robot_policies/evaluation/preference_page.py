"""Pairs of attempts on one page: both films side by side, and what each attempt cost."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from robot_policies.data.dataset import file_of, listed_episodes, read_info
from robot_policies.evaluation.page.labels import table
from robot_policies.evaluation.page.shell import shell
from robot_policies.interface import ConfigError
from robot_policies.policies.grape.preference_dataset import ROLES, read_preferences

FACTS = {
    "success": "succeeded",
    "touched": "touched the obstacle",
    "answers": "answers",
    "log_probability": "log-probability, nat",
    "external": "R_ext",
}


def preference_page(root: Path, most: int) -> str:
    """Return a self-contained HTML page of the pairs that differ most.

    Args:
        root: A data set that `align` wrote.
        most: How many pairs are shown.

    Raises:
        ConfigError: If it is no such data set.
    """
    pairs = sorted(read_preferences(root), key=lambda pair: -_margin(pair))
    films = _films(root)
    shown = [_section(number, pair, films) for number, pair in enumerate(pairs[:most], 1)]
    said = (
        f"<p>Left is preferred. The {len(shown)} pairs are shown whose rewards differ most. Costs "
        "add up over the answers of a stage, before thresholds.</p>"
    )
    return shell(f"{len(pairs)} pairs of attempts", said + "".join(shown))


def _margin(pair: Mapping[str, Mapping[str, Any]]) -> float:
    return float(pair[ROLES[0]]["margin"])


def _films(root: Path) -> dict[int, Path]:
    """Return the film of each episode's first camera."""
    info = read_info(root)
    cameras = [name for name, entry in info["features"].items() if entry["dtype"] == "video"]
    if not cameras:
        raise ConfigError(f"{root}: it has no film")
    return {
        int(episode["episode_index"]): file_of(
            root, info["video_path"], episode, f"videos/{cameras[0]}", cameras[0]
        )
        for episode in listed_episodes(root, info)
    }


def _section(number: int, pair: Mapping[str, Mapping[str, Any]], films: Mapping[int, Path]) -> str:
    chosen = pair[ROLES[0]]
    said = escape(str(chosen["instruction"]))
    title = f"<h2>{number}. state {chosen['state']}, rewards differ by {_margin(pair):.3g}</h2>"
    halves = "".join(_half(role, pair[role], films) for role in ROLES)
    return f'<section>{title}<p>{said}</p><div class="pair">{halves}</div></section>'


def _half(role: str, attempt: Mapping[str, Any], films: Mapping[int, Path]) -> str:
    film = b64encode(films[attempt["episode_index"]].read_bytes()).decode()
    rows = [(words, attempt[name]) for name, words in FACTS.items()]
    rows += [(f"cost {name}", value) for name, value in attempt["costs"].items()]
    return (
        f"<figure><figcaption>{role}</figcaption>"
        f'<video src="data:video/mp4;base64,{film}" autoplay loop muted controls></video>'
        f"{table(('', role), [(words, _cell(value)) for words, value in rows])}</figure>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
