"""Alibaba Cloud by its own SDKs; nothing outside this folder imports them, and nothing of theirs leaves it."""
