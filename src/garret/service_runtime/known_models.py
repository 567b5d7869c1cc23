"""The models that garret knows by name: file names, sizes in bytes, SHA-256, licences, and where each is published.

Sizes and hashes are those that Hugging Face's file pages show for these revisions (the LFS object's id is its SHA-256);
ModelScope's repositories of the same names hold copies of the same files, and are held to the same hashes.
Imported by the bootstrap before the service's own interpreter exists: plain Python, nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

DEMO = "demo"
SDXL = "sdxl"
KNOWN = (SDXL, DEMO)
CHECKPOINT, VAE = "checkpoint", "vae"
OPEN_RAIL = "CreativeML Open RAIL++-M"


@dataclass(frozen=True)
class Home:
    """Where a file is published: a repository of a hub, a revision of it, and the path inside."""

    repository: str
    revision: str
    path: str


@dataclass(frozen=True)
class ModelFile:
    """One file: `name` is what it is called on the node and in a folder of one's own; an unknown size is 0."""

    role: str
    type: str
    name: str
    size: int = 0
    sha256: str = ""
    licence: str = ""
    huggingface: Home | None = None
    modelscope: Home | None = None

    @property
    def stem(self) -> str:
        """The name that the service knows the model by."""
        return self.name[: -len(".safetensors")] if self.name.lower().endswith(".safetensors") else self.name


SDXL_BASE = ModelFile(
    "base",
    CHECKPOINT,
    "sd_xl_base_1.0.safetensors",
    6_938_078_334,
    "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b",
    OPEN_RAIL,
    Home(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "462165984030d82259a11f4367a4eed129e94a7b",
        "sd_xl_base_1.0.safetensors",
    ),
    Home("AI-ModelScope/stable-diffusion-xl-base-1.0", "master", "sd_xl_base_1.0.safetensors"),
)
SDXL_REFINER = ModelFile(
    "refiner",
    CHECKPOINT,
    "sd_xl_refiner_1.0.safetensors",
    6_075_981_930,
    "7440042bbdc8a24813002c09b6b69b64dc90fded4472613437b7f55f9b7d9c5f",
    OPEN_RAIL,
    Home(
        "stabilityai/stable-diffusion-xl-refiner-1.0",
        "5d4cfe854c9a9a87939ff3653551c2b3c99a4356",
        "sd_xl_refiner_1.0.safetensors",
    ),
    Home("AI-ModelScope/stable-diffusion-xl-refiner-1.0", "master", "sd_xl_refiner_1.0.safetensors"),
)
SDXL_VAE = ModelFile(
    "VAE",
    VAE,
    "sdxl-vae-fp16-fix.safetensors",
    334_641_162,
    "235745af8d86bf4a4c1b5b4f529868b37019a10f7c0b2e79ad0abca3a22bc6e1",
    "MIT",
    Home("madebyollin/sdxl-vae-fp16-fix", "207b116dae70ace3637169f1ddd2434b91b3a8cd", "sdxl.vae.safetensors"),
    Home("AI-ModelScope/sdxl-vae-fp16-fix", "master", "sdxl.vae.safetensors"),
)


def known_files(model: str, refiner: bool = True) -> tuple[ModelFile, ...]:
    """The files of a known model, the checkpoint first; none for the demo model, which comes with the runtime."""
    if model != SDXL:
        return ()
    return (SDXL_BASE, SDXL_REFINER, SDXL_VAE) if refiner else (SDXL_BASE, SDXL_VAE)


def gigabytes(size: int) -> str:
    """A size in decimal gigabytes, as downloads are told; small ones in megabytes."""
    return f"{size / 1e9:.1f} GB" if size >= 100_000_000 else f"{size / 1e6:.1f} MB"
