"""What garret does to clouds and nodes: one verb, one file."""
