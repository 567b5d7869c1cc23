"""From a deployment to its user-data, and what a node runs with it."""
