"""What a film says under its pictures: time, what the robot was asked for, safety level."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from robot_policies.interface.observation import TASK, VELOCITY_COMMAND

if TYPE_CHECKING:
    from robot_policies.control.records import StepRecord

SHARE = 0.06  # of the picture's height
PAPER, INK = (24, 26, 30), (235, 235, 235)
COLORS = {"pass": (120, 200, 120), "hold": (240, 190, 80), "damp": (240, 130, 60)}
ALARM = (240, 80, 70)  # any other level


def captioned(picture: np.ndarray, record: "StepRecord", task: str) -> np.ndarray:
    """Return a picture with a line of text over its lowest rows.

    Args:
        picture: Shape (height, width, 3), uint8 RGB.
        record: The step it shows.
        task: What the robot does if nobody asks it for anything.
    """
    height, width = picture.shape[:2]
    high = round(SHARE * height)
    line = Image.new("RGB", (width, high), PAPER)
    draw, font, middle, gap = ImageDraw.Draw(line), _font(high), high / 2, high / 2
    refusal = record.verdict.refusal
    level = str(record.verdict.level)
    verdict = f"{level}: {refusal.cause}" if refusal else level
    clock = gap + draw.textlength("000.0 s", font)
    draw.text((clock, middle), f"{record.time:.1f} s", INK, font, anchor="rm")
    draw.text((clock + 2 * gap, middle), _asked(record) or task, INK, font, anchor="lm")
    start = width - gap - draw.textlength(verdict, font)
    draw.rectangle((start - gap, 0, width, high), PAPER)  # over what is too long to fit
    draw.text((start, middle), verdict, COLORS.get(level, ALARM), font, anchor="lm")
    return np.concatenate((picture[: height - high], np.asarray(line)))


def _asked(record: "StepRecord") -> str:
    instruction = record.goal.get(TASK)
    command = record.goal.get(VELOCITY_COMMAND)
    if instruction or command is None:
        return str(instruction or "")
    x, y, turn = (float(value) for value in command)
    return f"{x:.2f} m/s ahead, {y:.2f} m/s to the left, {turn:.2f} rad/s"


@cache
def _font(high: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(0.6 * high)
