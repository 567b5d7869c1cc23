"""A very small SDXL, shipped with the package, that draws coloured shapes on a CPU in well under a second."""

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent

WEIGHTS: Path = _FOLDER / "demo.safetensors"
"""The weights: one half-precision safetensors file in the key layout of the original SDXL checkpoints."""

CONFIG: Path = _FOLDER / "config"
"""The diffusers folder without weights that the single file is loaded with; the refiner's is in it."""

LORA: Path = _FOLDER / "heart.safetensors"
"""A LoRA in kohya's form that teaches the model one more shape, by the word heart."""

REFINER: Path = _FOLDER / "demo-refiner.safetensors"
"""A refiner for the model's last steps, in the key layout of SDXL's; words and autoencoder are the model's own."""

UPSCALER: Path = _FOLDER / "demo-2x.safetensors"
"""A network that makes pictures twice as large: a compact one of Real-ESRGAN's kind."""

CARD: Path = _FOLDER / "MODEL_CARD.md"
"""The model card: what the model is, how it was trained and what was measured."""
