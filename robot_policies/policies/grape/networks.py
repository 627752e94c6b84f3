"""A small SmolVLM, and how an observation becomes the sequence it reads.

    words | image tokens | joints | action slots

Text stands before the picture. The vision tower is SmolVLM's with another patch embedding: two
convolutions that are told where each pixel lies. Trained from nothing, SmolVLM's own linear
patches do not find what the words name.

Letters: `B` batch, `L` words, `A` elements of an action, `D` width, `K` bins.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

from robot_policies.policies.grape.configuration_grape import GrapeConfig

STEM_WIDTH, STEM_STRIDE, STEM_GROUPS = 64, 4, 8


class ConvStem(nn.Module):
    """Stands in for the patch embedding: colours and coordinates, two convolutions."""

    def __init__(self, hidden: int, patch: int) -> None:
        """Make the layers.

        Args:
            hidden: Width of a patch.
            patch: Pixels per side of a patch.
        """
        super().__init__()
        stride = patch // STEM_STRIDE
        self.colors = nn.Conv2d(5, STEM_WIDTH, STEM_STRIDE, STEM_STRIDE)
        self.norm = nn.GroupNorm(STEM_GROUPS, STEM_WIDTH)
        self.patches = nn.Conv2d(STEM_WIDTH, hidden, 3, stride, padding=0 if stride == 3 else 1)

    @property
    def weight(self) -> Tensor:
        """What the vision tower asks for its type of numbers."""
        return self.colors.weight

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the patches. (B, 3, H, W) -> (B, D, H / patch, W / patch)."""
        rows, _, height, width = pixels.shape
        line = {"device": pixels.device, "dtype": pixels.dtype}
        y = torch.linspace(-1.0, 1.0, height, **line).view(1, 1, -1, 1)
        x = torch.linspace(-1.0, 1.0, width, **line).view(1, 1, 1, -1)
        place = torch.cat([t.expand(rows, 1, height, width) for t in (y, x)], 1)
        seen = self.colors(torch.cat([pixels, place], 1))
        return self.patches(functional.gelu(self.norm(seen)))


def make_vlm(config: GrapeConfig) -> Any:
    """Return the language model with its vision tower, from numbers alone."""
    wide = {"num_attention_heads": config.heads, "hidden_size": config.hidden}
    vision = {
        **wide,
        "intermediate_size": 2 * config.hidden,
        "num_hidden_layers": config.vision_layers,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
    }
    text = {
        **wide,
        "model_type": "llama",
        "vocab_size": 1 + len(config.words) + config.bins,
        "intermediate_size": 3 * config.hidden,
        "num_hidden_layers": config.text_layers,
        "num_key_value_heads": config.heads,
        "max_position_embeddings": 256,
    }
    text |= dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 0)
    whole: Any = {"image_token_id": 0, "pad_token_id": 0, "tie_word_embeddings": False}
    whole |= {"vision_config": vision, "text_config": text, "scale_factor": config.scale_factor}
    model: Any = SmolVLMForConditionalGeneration(SmolVLMConfig(**whole))
    stem = ConvStem(config.hidden, config.patch_size)
    model.model.vision_model.embeddings.patch_embedding = stem
    return model


class Reader(nn.Module):
    """Reads observations and scores action tokens.

    Attributes:
        vlm: The language model with its eyes.
        width: Of its hidden states.
        first: Id of the first action token.
    """

    def __init__(self, config: GrapeConfig, joints: int, vlm: Any) -> None:
        """Make the layers.

        Args:
            config: Numbers of the policy.
            joints: Width of the state.
            vlm: The language model, whose last ids are the bins.
        """
        super().__init__()
        self.vlm = vlm
        ids, self.width = vlm.get_input_embeddings().weight.shape
        self.joints = nn.Linear(joints, self.width)
        self.slots = nn.Parameter(0.02 * torch.randn(len(config.varied), self.width))
        self.first, self._bins = ids - config.bins, config.bins
        self._grid = config.image_size // config.patch_size
        self._after_each_other = config.decoding == "autoregressive"

    def forward(
        self, words: Tensor, mask: Tensor, pixels: Tensor, state: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score the tokens of an action, given an observation.

        Args:
            words: Ids, 0 where there is none. (B, L)
            mask: Whether there is a word. (B, L)
            pixels: In [0, 1]. (B, 3, H, W)
            state: Normalised. (B, S)
            tokens: Of the action; only a token after each other reads those before. (B, A)

        Returns:
            Logits over the action tokens alone, (B, A, K), and the hidden state that the first of
            them is predicted from, (B, D).
        """
        prefix, seen = self.prefix(words, mask, pixels, state)
        slots = self.slots.expand(len(prefix), -1, -1)
        if self._after_each_other:
            slots = torch.cat([slots[:, :1], self.embed(tokens[:, :-1] + self.first)], 1)
        hidden = self.read(torch.cat([prefix, slots], 1), seen)[:, prefix.shape[1] :]
        return self.score(hidden), hidden[:, 0]

    def prefix(
        self, words: Tensor, mask: Tensor, pixels: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what stands before the action, (B, N, D), and which of it counts, (B, N)."""
        picture, joints = self.look(pixels), self.joints(state).unsqueeze(1)
        seen = mask.new_ones(picture.shape[:2]).long()
        sequence = [*self.order(self.embed(words), picture), joints]
        return torch.cat(sequence, 1), torch.cat([*self.order(mask.long(), seen), seen[:, :1]], 1)

    def look(self, pixels: Tensor) -> Tensor:
        """Return the tokens of pictures in [0, 1]. (B, 3, H, W) -> (B, N, D)."""
        model, side = self.vlm.model, self._grid
        whole = torch.ones(len(pixels), side, side, dtype=torch.bool, device=pixels.device)
        patches = model.vision_model(
            pixel_values=2.0 * pixels - 1.0, patch_attention_mask=whole
        ).last_hidden_state
        return model.connector(patches)

    def order(self, words: Tensor, picture: Tensor) -> list[Tensor]:
        """Return what is read first and second."""
        return [words, picture]

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embedding of ids. (B, N) -> (B, N, D)."""
        return self.vlm.get_input_embeddings()(ids)

    def read(self, sequence: Tensor, seen: Tensor) -> Tensor:
        """Run the language model over a sequence whose first part has a mask. (B, N, D)."""
        mask = functional.pad(seen, (0, sequence.shape[1] - seen.shape[1]), value=1)
        text = self.vlm.get_decoder()
        return text(inputs_embeds=sequence, attention_mask=mask, use_cache=False).last_hidden_state

    def score(self, hidden: Tensor) -> Tensor:
        """Return logits over the action tokens; no other token can be decoded."""
        return self.vlm.get_output_embeddings()(hidden)[
            ..., self.first : self.first + self._bins
        ].float()

    def decode(
        self,
        observed: tuple[Tensor, Tensor, Tensor, Tensor],
        draw: "Draw",
    ) -> tuple[Tensor, Tensor]:
        """Choose the tokens of an action.

        Args:
            observed: Words, mask, pixels and state, as `forward` takes them.
            draw: Chooses from logits, element by element.

        Returns:
            Tokens (B, A), and the logarithm of the probability of each at temperature 1, (B, A).
        """
        rows = len(observed[0])
        nothing = torch.zeros(rows, len(self.slots), dtype=torch.long, device=observed[0].device)
        if not self._after_each_other:
            logits, _ = self(*observed, nothing)
            tokens = torch.stack([draw(logits[:, i], i) for i in range(logits.shape[1])], 1)
            return tokens, _chosen(logits, tokens)
        return self._decode_after_each_other(observed, draw)

    def _decode_after_each_other(
        self, observed: tuple[Tensor, Tensor, Tensor, Tensor], draw: "Draw"
    ) -> tuple[Tensor, Tensor]:
        sequence, seen = self.prefix(*observed)
        first = self.slots[:1].expand(len(sequence), -1, -1)
        text, mask, cache = self.vlm.get_decoder(), seen, None
        step = torch.cat([sequence, first], 1)
        tokens, scores = [], []
        for i in range(len(self.slots)):
            mask = functional.pad(mask, (0, 1), value=1)
            out = text(
                inputs_embeds=step, attention_mask=mask, past_key_values=cache, use_cache=True
            )
            cache = out.past_key_values
            logits = self.score(out.last_hidden_state[:, -1])
            tokens.append(draw(logits, i))
            scores.append(_chosen(logits, tokens[-1]))
            step = self.embed(tokens[-1].unsqueeze(1) + self.first)
        return torch.stack(tokens, 1), torch.stack(scores, 1)


def _chosen(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the log-probabilities of tokens. (..., K), (...) -> (...)."""
    return logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


class Draw:
    """Chooses tokens: the likeliest, or by numbers in [0, 1) that say where in the distribution.

    A given number chooses the same token in a batch of any size, so that an episode among many is
    the episode alone.
    """

    def __init__(self, temperature: float, uniform: Tensor | None) -> None:
        """Take the numbers.

        Args:
            temperature: 0 takes the likeliest.
            uniform: One number for each row and element; not used at temperature 0. (B, A)
        """
        self._temperature, self._uniform = temperature, uniform

    def __call__(self, logits: Tensor, element: int) -> Tensor:
        """Return a token per row. (B, K) -> (B,)."""
        if self._temperature == 0.0 or self._uniform is None:
            return logits.argmax(-1)
        share = (logits.double() / self._temperature).softmax(-1).cumsum(-1)
        place = self._uniform[:, element : element + 1].to(share) * share[:, -1:]
        return (
            torch.searchsorted(share, place, right=True).squeeze(-1).clamp(max=share.shape[1] - 1)
        )
