"""Every scene by name, and how it becomes layers."""

from jobs.demo import creatures, landscapes, things
from jobs.demo.canvas import Random
from jobs.demo.scene import Layer, Scene

SCENES = {**landscapes.SCENES, **creatures.SCENES, **things.SCENES}
"""Name to composer and the words of its caption."""


def compose(name: str, height: int, width: int, random: Random) -> list[Layer]:
    """Return the layers of a scene, back to front; the first covers the picture."""
    scene = Scene(height, width, random)
    SCENES[name][0](scene)
    return scene.layers
