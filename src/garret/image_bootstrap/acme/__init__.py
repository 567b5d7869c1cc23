"""The node's trusted certificate: asked for with certbot, put before callers, renewed. Standard library only.

`python -m garret.image_bootstrap.acme` is what garret-acme.service runs: it ends when there is a certificate that is
good for a while yet, and until then tries again. certbot comes in an environment of its own, by its own hashed lock:
what distributions have knows no certificates for addresses, and nothing of the service is to hang on it.
"""
