"""Hubs of models in place of the public ones: what the server was started with, its process nodes hear of."""

from __future__ import annotations

HUBS = ("GARRET_ENDPOINT_HUGGINGFACE", "GARRET_ENDPOINT_MODELSCOPE", "GARRET_ENDPOINT_OSS", "GARRET_ENDPOINT_CIVITAI")
"""Variables with the address of a server on loopback, for tests and rehearsals; nothing of them is a secret."""
