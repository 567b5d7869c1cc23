"""garret: Stable Diffusion XL on Alibaba Cloud GPUs with one command, and no bill for an idle one."""

__version__ = "0.1.0"
