"""Any image-text-to-text model of `transformers` as the network: what OpenVLA does with one.

    image tokens | words | joints | action slots

A model is read once, from a folder or the hub. It gets a token of its own for each bin, behind its
words. From then on the checkpoint holds everything: what the model says of itself and how its
pictures are scaled stand in `config.json`, its weights among the others. Code of a hub is never
run; `transformers` is told so, and a configuration that names some is refused.
"""

import re
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageTextToText

from robot_policies.interface import ConfigError
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.networks import Reader
from robot_policies.policies.grape.words import tokenizer_of
from robot_policies.policies.locate import find_checkpoint

IMAGE_PROCESSOR = "preprocessor_config.json"
CODE = "auto_map"
PROCESSORS = re.compile(r"[A-Za-z0-9]+ImageProcessor(Fast|Pil)?")
WHOLE = {"do_image_splitting": False}  # one view of a picture, where a model cuts it in tiles


class HubReader(Reader):
    """Reads observations with a pretrained model."""

    def __init__(self, config: GrapeConfig, joints: int) -> None:
        """Read the model, or make it from what a checkpoint says of it.

        Args:
            config: Numbers of the policy; what the model says of itself is filled in.
            joints: Width of the state.

        Raises:
            ConfigError: If a part of the model is missing, or it needs code of its own.
        """
        model = _read(config) if config.vlm_source else _make(config)
        super().__init__(config, joints, model)
        if config.convention == "openvla":
            self.first = config.vocabulary - config.bins
        about = {**config.image_processor}
        kind = str(about.pop("image_processor_type", ""))
        known = PROCESSORS.fullmatch(kind) and getattr(transformers, kind, None)
        if not known:
            raise ConfigError(f"vlm: no image processor '{kind}' in transformers")
        self._scaled = known(**about)

    def look(self, pixels: Tensor) -> Tensor:
        """Return the tokens of pictures in [0, 1]. (B, 3, H, W) -> (B, N, D)."""
        scaled = self._scaled(list(pixels), do_rescale=False, return_tensors="pt").to(
            pixels.device
        )
        seen = self.vlm.base_model.get_image_features(**scaled, return_dict=True).pooler_output
        if not isinstance(seen, Tensor):  # one by one, as they may differ in size
            seen = torch.stack(list(seen))
        return seen.reshape(len(pixels), -1, seen.shape[-1])

    def order(self, words: Tensor, picture: Tensor) -> list[Tensor]:
        """Return pictures before words, as such models are trained."""
        return [picture, words]


def _read(config: GrapeConfig) -> Any:
    folder = find_checkpoint(config.vlm_source)
    files = CheckpointFiles(folder)
    about, pictures = files.json("config.json"), files.json(IMAGE_PROCESSOR)
    for name, said in (("config.json", about), (IMAGE_PROCESSOR, pictures)):
        if CODE in said:
            raise ConfigError(f"{folder / name} names code ('{CODE}'), which is not run")
    model: Any = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
    )
    if config.convention == "openvla":
        config.vocabulary = len(tokenizer_of(config))
    else:
        rows = model.get_input_embeddings().weight.shape[0]
        model.resize_token_embeddings(rows + config.bins, mean_resizing=False)
    _untie(model)
    config.language_model = model.config.to_dict()
    config.image_processor = {**pictures, **{k: v for k, v in WHOLE.items() if k in pictures}}
    return model


def _make(config: GrapeConfig) -> Any:
    about = {**config.language_model}
    if CODE in about:
        raise ConfigError(f"language_model names code ('{CODE}'), which is not run")
    kind = str(about.pop("model_type", ""))
    try:
        made = AutoConfig.for_model(kind, **about)
        made.dtype = torch.float32
        model: Any = AutoModelForImageTextToText.from_config(made, trust_remote_code=False)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"language_model: {str(error).splitlines()[0]}") from None
    _untie(model)
    return model


def _untie(model: Any) -> None:
    """Give what scores tokens weights of its own: a skill adds to them, and not to the words."""
    scores, words = model.get_output_embeddings(), model.get_input_embeddings()
    if scores.weight is words.weight:
        scores.weight = nn.Parameter(words.weight.detach().clone())
    for part in (model.config, model.config.get_text_config()):
        part.tie_word_embeddings = False
