"""The verbs that a node carries out as executions; parameters arrive as data and are checked by each verb.

Where a verb's code is (module:function), loaded when it is run: `function(run, parameters)` returns the output as JSON
values, and raises `run.WrongParameter` or `transfer.DownloadError` with what a person should read.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

VERBS: dict[str, str] = {
    "download-model": "garret.service_runtime.operations.download_model:download_model",
    "list-models": "garret.service_runtime.operations.list_models:list_models",
    "remove-model": "garret.service_runtime.operations.remove_model:remove_model",
    "restore-model": "garret.service_runtime.operations.restore_model:restore_model",
    "autostop": "garret.service_runtime.operations.autostop:autostop",
    "verify-models": "garret.service_runtime.operations.verify_models:verify_models",
    "place-model": "garret.service_runtime.operations.place_model:place_model",
    "install-extension": "garret.service_runtime.operations.install_extension:install_extension",
    "list-extensions": "garret.service_runtime.operations.extensions:list_extensions",
    "enable-extension": "garret.service_runtime.operations.extensions:enable_extension",
    "disable-extension": "garret.service_runtime.operations.extensions:disable_extension",
    "remove-extension": "garret.service_runtime.operations.extensions:remove_extension",
}

QUICK = ("autostop", "list-models", "remove-model", "restore-model", "list-extensions")
"""Verbs that take no time: whoever begins one gets its end with the first answer."""


def load(verb: str) -> Callable[..., dict[str, Any]]:
    """Return the function of a verb that is in the table."""
    module, _, name = VERBS[verb].partition(":")
    function: Callable[..., dict[str, Any]] = getattr(import_module(module), name)
    return function
