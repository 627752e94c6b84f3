"""A composition on disk.

    composition.json   name, version, base, skills by digest, weighting, fallback
    gate.safetensors   the router's weights, if one was trained

torch is imported where a router is read or saved.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.interface.schema import build
from robot_policies.skills.library.composition import Composition, SkillReference, Weighting
from robot_policies.skills.package.card import DIGEST, check_file, check_name, read_json
from robot_policies.skills.package.digest import file_digest

if TYPE_CHECKING:
    from robot_policies.skills.mixing.skill_router import SkillRouter

COMPOSITION_FILE, ROUTER = "composition.json", "gate.safetensors"

FORMAT = 1
MAX_ROUTER_BYTES = 64 << 20


def write_composition(composition: Composition, folder: Path) -> None:
    """Write a composition's files; the folder is made if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    weighting = composition.weighting
    if composition.router is not None:
        from safetensors.torch import save_file

        save_file(composition.router.state_dict(), folder / ROUTER, {"format": "pt"})
        weighting = replace(weighting, digest=file_digest(folder / ROUTER))
    document = {
        "format": FORMAT,
        "name": composition.name,
        "version": composition.version,
        "base": composition.base,
        "skills": [asdict(skill) for skill in composition.skills],
        "weighting": asdict(weighting),
        "fallback": composition.fallback,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / COMPOSITION_FILE).write_text(f"{text}\n", encoding="utf-8")


def read_composition(folder: Path) -> Composition:
    """Read a composition.

    Raises:
        CheckpointError: In one line, whatever is wrong with it.
    """
    path = folder / COMPOSITION_FILE
    data: dict[str, Any] = read_json(path)
    try:
        if data.pop("format", None) != FORMAT:
            raise ConfigError(f"this package reads format {FORMAT}")
        skills = tuple(build(SkillReference, entry, "skills") for entry in data.pop("skills", ()))
        for skill in skills:
            check_name(skill.name, skill.version)
            if not DIGEST.fullmatch(str(skill.digest)):
                raise ConfigError(f"skill '{skill.name}' has no sha256 digest")
        weighting = build(Weighting, data.pop("weighting", None), "weighting")
        router = None
        if weighting.kind == "gate":
            router = _read_router(folder / ROUTER, weighting, len(skills))
        return build(
            Composition, data, COMPOSITION_FILE, skills=skills, weighting=weighting, router=router
        )
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def _read_router(path: Path, weighting: Weighting, skills: int) -> "SkillRouter":
    import torch

    from robot_policies.policies.weights import read_tensors
    from robot_policies.skills.mixing.skill_router import SkillRouter

    check_file(path, MAX_ROUTER_BYTES)
    if file_digest(path) != weighting.digest:
        raise CheckpointError(
            f"{path} is not the file that {COMPOSITION_FILE} names: truncated or changed"
        )
    features = weighting.features
    if not features:
        raise ConfigError("weighting: a router needs its 'features'")
    with torch.device("meta"):  # first weights would be drawn from the sequence of who acts now
        router = SkillRouter(features, skills, weighting.hidden)
    router.to_empty(device="cpu")
    try:
        state = read_tensors(path)
        router.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: {' '.join(str(error).split())}") from None
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: '{name}' has NaN or infinite values")
    return router.eval()
