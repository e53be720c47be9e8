"""Key points that no picture stands behind, for tests of what is made of them."""

import numpy as np


def scene(n: int = 24, seed: int = 1, reach: float = 0.8) -> dict[str, np.ndarray]:
    """Points all over a picture, each with a description of its own."""
    rng = np.random.default_rng(seed)
    return {
        "xy": (0.1 + reach * rng.random((n, 2))).astype(np.float32),
        "size": (0.02 + 0.05 * rng.random(n)).astype(np.float32),
        "angle": (2 * np.pi * rng.random(n)).astype(np.float32),
        "description": rng.random((n, 128)).astype(np.float32),
    }


def moved(points: dict, scale: float, turn: float, by: tuple[float, float]) -> dict:
    """The same points in a picture that was scaled, turned and moved."""
    wheel = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return {
        "xy": (scale * points["xy"] @ wheel.T + by).astype(np.float32),
        "size": points["size"] * np.float32(scale),
        "angle": points["angle"] + np.float32(turn),
        "description": points["description"],
    }
