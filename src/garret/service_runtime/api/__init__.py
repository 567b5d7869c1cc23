"""The dialects the service speaks, one file each; every one ends in an ImageRequest."""
