"""The gn7i types as the vendor publishes them (vCPU, GiB, NVIDIA A10s, network); nothing else is sold here."""

from __future__ import annotations

from dataclasses import dataclass

FAMILY = "ecs.gn7i"
GPU_SPEC = "NVIDIA A10"
GPU_MEMORY_GIB = 24
DISK_CATEGORIES = ("cloud_essd", "cloud_auto")


@dataclass(frozen=True)
class InstanceType:
    """One type: `network_gbps` is its bandwidth, `interfaces` how many network interfaces it takes."""

    id: str
    vcpu: int
    memory_gib: int
    gpus: int
    network_gbps: int
    interfaces: int


INSTANCE_TYPES: dict[str, InstanceType] = {
    kind.id: kind
    for kind in (
        InstanceType("ecs.gn7i-c8g1.2xlarge", 8, 30, 1, 16, 4),
        InstanceType("ecs.gn7i-c16g1.4xlarge", 16, 60, 1, 16, 8),
        InstanceType("ecs.gn7i-c32g1.8xlarge", 32, 188, 1, 16, 8),
        InstanceType("ecs.gn7i-c48g1.12xlarge", 48, 310, 1, 16, 8),
        InstanceType("ecs.gn7i-c56g1.14xlarge", 56, 346, 1, 16, 8),
        InstanceType("ecs.gn7i-2x.8xlarge", 32, 128, 2, 16, 8),
        InstanceType("ecs.gn7i-c32g1.16xlarge", 64, 376, 2, 32, 15),
        InstanceType("ecs.gn7i-4x.8xlarge", 32, 128, 4, 32, 8),
        InstanceType("ecs.gn7i-4x.16xlarge", 64, 256, 4, 64, 8),
        InstanceType("ecs.gn7i-c32g1.32xlarge", 128, 752, 4, 64, 15),
        InstanceType("ecs.gn7i-8x.16xlarge", 64, 256, 8, 32, 8),
        InstanceType("ecs.gn7i-8x.32xlarge", 128, 512, 8, 64, 16),
    )
}
