"""The namespace driver: each node is a Linux of its own, with systemd, cloud-init and a network, in namespaces."""
