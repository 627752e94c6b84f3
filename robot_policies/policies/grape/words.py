"""The tokenizer: a list of known words, built here and stored in the checkpoint.

Upper and lower case and punctuation make no difference. Words come in any order, so that other
sentences of the same words can be asked; a word that is not known is the contract's to refuse.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from robot_policies.interface.observation import words as words_of

FOLDER = "tokenizer"  # in the checkpoint
PAD = "<pad>"  # id 0; words follow


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


def save_tokenizer(words: list[str], folder: Path) -> None:
    """Write the tokenizer into a checkpoint."""
    make_tokenizer(words).save_pretrained(folder / FOLDER)
