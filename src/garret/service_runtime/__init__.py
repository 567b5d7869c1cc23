"""A request becomes a record, a batch is a record, and one object touches the GPU."""
