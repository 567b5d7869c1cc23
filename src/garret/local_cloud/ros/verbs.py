"""Which status asks for which work."""

from garret.local_cloud.ros import bringing, creating, deleting, undoing
from garret.local_cloud.ros.engine import Verb

VERBS: dict[str, Verb] = {
    "CREATE_IN_PROGRESS": creating.work,
    "CREATE_ROLLBACK_IN_PROGRESS": deleting.roll_back,
    "UPDATE_IN_PROGRESS": bringing.work,
    "ROLLBACK_IN_PROGRESS": undoing.work,
    "DELETE_IN_PROGRESS": deleting.work,
}
