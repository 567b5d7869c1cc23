"""Which status asks for which work."""

from garret.local_cloud.ros import creating, deleting
from garret.local_cloud.ros.engine import Verb

VERBS: dict[str, Verb] = {
    "CREATE_IN_PROGRESS": creating.work,
    "CREATE_ROLLBACK_IN_PROGRESS": deleting.roll_back,
    "DELETE_IN_PROGRESS": deleting.work,
}
