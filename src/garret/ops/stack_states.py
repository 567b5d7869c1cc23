"""Words of ROS about stacks that several verbs listen for."""

IN_PROGRESS = "_IN_PROGRESS"
ROLLED_BACK = ("ROLLBACK_COMPLETE", "CREATE_ROLLBACK_COMPLETE")
"""A creation failed, and the cloud has taken everything down again."""
STANDING = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "CHECK_COMPLETE")
"""All of it is there as it was asked for."""
AS_BEFORE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "UPDATE_FAILED")
"""Of a stack that has its outputs: an update failed, and what was there before still is."""
