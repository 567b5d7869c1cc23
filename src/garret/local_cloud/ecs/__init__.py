"""ECS, 2014-05-26: instances, images, disks, security groups, Cloud Assistant, prices."""
