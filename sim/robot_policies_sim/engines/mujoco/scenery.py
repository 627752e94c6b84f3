"""What a MuJoCo model has beside robot and objects: light, floor, sky, and how all are drawn."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface.robot_parts import Camera
from robot_policies_sim.engines.mujoco.elements import text
from robot_policies_sim.scene.world import AMBIENT, HEADLIGHT, LAMP, LAMP_DIRECTION, World

FLOOR = {"contype": "0", "conaffinity": "3"}  # touches whatever touches something


def furnish(
    root: ET.Element, worldbody: ET.Element, world: World, cameras: Sequence[Camera] = ()
) -> None:
    """Add light and floor.

    Args:
        root: The model, changed in place.
        worldbody: Its world.
        world: The scene.
        cameras: Pictures of their sizes can be drawn.
    """
    _visual(root, cameras)
    lamp = {"pos": "0.5 0.5 4", "dir": text(LAMP_DIRECTION), "castshadow": "false"}
    lamp |= {"directional": "true", "diffuse": text([LAMP] * 3), "specular": "0 0 0"}
    ET.SubElement(worldbody, "light", lamp)
    floor = {"type": "plane", "size": "30 30 1", "material": "floor", "pos": "0.5 0.5 0"}
    ET.SubElement(worldbody, "geom", FLOOR | floor, name="floor")
    _checker(root, world)


def _visual(root: ET.Element, cameras: Sequence[Camera]) -> None:
    visual = ET.SubElement(root, "visual")
    width = max([1280, *(camera.width for camera in cameras)])
    height = max([960, *(camera.height for camera in cameras)])
    ET.SubElement(visual, "global", offwidth=str(width), offheight=str(height))
    # On a CPU a 96x96 image takes 0.6 ms like this, 4 ms with an endless floor (a finite plane
    # collides without end all the same) and round shapes, 50 ms with shadows and multisampling.
    mesh = {"numslices": "16", "numstacks": "8", "numquads": "1"}
    ET.SubElement(visual, "quality", mesh, shadowsize="0", offsamples="0")
    ET.SubElement(visual, "map", znear="0.01", zfar="30")
    light = {"ambient": text([AMBIENT] * 3), "diffuse": text([HEADLIGHT] * 3)}
    ET.SubElement(visual, "headlight", light, specular="0 0 0")


def _checker(root: ET.Element, world: World) -> None:
    """Tile the floor in metres, so that motion over it can be seen; the origin is in mid-tile."""
    color = np.array(world.floor_color[:3])
    asset = ET.SubElement(root, "asset")
    sky = {"type": "skybox", "builtin": "gradient", "width": "16", "height": "96"}
    ET.SubElement(asset, "texture", sky, rgb1="0.85 0.9 0.95", rgb2="0.6 0.68 0.76")
    texture = {
        "name": "floor",
        "type": "2d",
        "builtin": "checker",
        "width": "512",
        "height": "512",
    }
    ET.SubElement(asset, "texture", texture, rgb1=text(color), rgb2=text(color * 0.9))
    material = {"name": "floor", "texture": "floor", "texrepeat": "0.5 0.5", "texuniform": "true"}
    ET.SubElement(asset, "material", material)
