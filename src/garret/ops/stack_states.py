"""Words of ROS about stacks that several verbs listen for."""

IN_PROGRESS = "_IN_PROGRESS"
ROLLED_BACK = ("ROLLBACK_COMPLETE", "CREATE_ROLLBACK_COMPLETE")
"""A creation failed, and the cloud has taken everything down again."""
