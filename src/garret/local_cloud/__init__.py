"""A small Alibaba Cloud on loopback for the official SDKs; what it does not do, it refuses loudly."""
