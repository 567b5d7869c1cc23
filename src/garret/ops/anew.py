"""Anew: a deployment whose change needs another node, taken down and made again with the same login, when allowed."""

from __future__ import annotations

from dataclasses import dataclass

from garret.errors import OperationError
from garret.ops.cloud import Stack
from garret.ops.create import Create
from garret.ops.deployment import Deployment
from garret.ops.plan import Plan
from garret.ops.tell import Teller
from garret.spec import DeploymentSpec
from garret.templates.changes import Change


@dataclass
class Anew:
    """One deployment and the spec that it is to be made anew from."""

    create: Create
    deployment: Deployment
    wish: DeploymentSpec
    changes: tuple[Change, ...]
    tell: Teller

    @property
    def is_needed(self) -> bool:
        """Say whether some change cannot be made on the node that is there."""
        return any(change.effect == "replace" for change in self.changes)

    def agreed(self) -> Plan:
        """Show what changes and the plan of the new node, which has stock and a price, and ask.

        Raises:
            UsageError: the person said no.
        """
        login = self.deployment.login
        if login is None:
            name = self.deployment.name
            raise OperationError(f"the login of {name} is gone from this machine", f"garret delete {name}")
        self.create.take_login(login, self.wish)
        plan = self.create.plan(self.wish, [])
        self.tell.say(f"{self.deployment.name} is deleted and made anew; models and pictures on it are lost:")
        for change in self.changes:
            self.tell.say(f"  {change}")
        self.create.agree(plan)
        return plan

    def make(self, stack: Stack) -> Stack:
        """Take the node down and make the new one; killed in between, the next deploy goes on with the new wish."""
        self.agreed()
        self.deployment.journal.append("replacing", wish=self.wish.model_dump(mode="json"))
        self.create.clear_away(stack, "made anew", self.wish)
        return self.create.run(self.wish, None)
