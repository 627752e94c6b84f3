"""The tokenizer: a list of known words, built here and stored in the checkpoint.

Upper and lower case and punctuation make no difference. Words come in any order, so that other
sentences of the same words can be asked; a word that is not known is the contract's to refuse.
"""

from collections.abc import Iterable
from pathlib import Path
from shutil import copytree
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from robot_policies.interface.observation import words as words_of
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.tokenizer import read_tokenizer

FOLDER = "tokenizer"  # in the checkpoint
PAD = "<pad>"  # id 0; words follow
PROMPT = ("In: What action should the robot take to ", "?\nOut: ")  # OpenVLA's


def known_words(instructions: Iterable[str]) -> list[str]:
    """Return the words of instructions, in alphabetical order."""
    return sorted({word for instruction in instructions for word in words_of(instruction)})


def make_tokenizer(words: list[str]) -> Any:
    """Return a tokenizer of these words."""
    vocabulary = {word: number for number, word in enumerate([PAD, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex("[.,;:!?\"']"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD)


def tokenizer_of(config: GrapeConfig) -> Any:
    """Return the tokenizer to begin with: of the words, or the one beside a language model.

    Raises:
        CheckpointError: If a language model's tokenizer is missing or damaged.
    """
    if not config.vlm_source:
        return make_tokenizer(config.words)
    folder = find_checkpoint(config.vlm_source).absolute()
    tokenizer = read_tokenizer(CheckpointFiles(folder.parent), folder.name)
    if config.convention == "openvla":
        _ask_as_openvla(tokenizer.backend_tokenizer)
    return tokenizer


def _ask_as_openvla(tokenizer: Tokenizer) -> None:
    """Put OpenVLA's prompt around every text, which then stands in `tokenizer.json`.

    The blank at the end is the empty piece 29871 of its Llama tokenizer.
    """
    before, after = PROMPT
    asked = [normalizers.Lowercase(), normalizers.Prepend(before)]
    asked.append(normalizers.Replace(Regex(r"\z"), after))
    own = [tokenizer.normalizer] if tokenizer.normalizer else []
    tokenizer.normalizer = normalizers.Sequence([*asked, *own])


def save_tokenizer(config: GrapeConfig, folder: Path) -> None:
    """Write the tokenizer into a checkpoint; a language model's is that of the one before."""
    if config.language_model and not config.vlm_source:
        before = Path(config.pretrained_path or folder) / FOLDER
        if before.is_dir() and before.resolve() != (folder / FOLDER).resolve():
            copytree(before, folder / FOLDER, dirs_exist_ok=True)
        return
    tokenizer_of(config).save_pretrained(folder / FOLDER)
