"""The refusals of ROS, each with the vendor's code and HTTP status and a text of our own."""

from garret.local_cloud.core import ApiError

COVERAGE = "docs/local-cloud-coverage.md"


class OnlyIfTakenError(ApiError):
    """A mistake only where the branch around it is taken, as a message that the template itself holds ready."""


def only_if_taken(reason: str) -> ApiError:
    """See OnlyIfTakenError."""
    return OnlyIfTakenError("StackValidationFailed", reason)


def invalid_template(reason: str) -> ApiError:
    """The text is no template at all."""
    return ApiError("InvalidTemplate", reason)


def invalid_schema(reason: str) -> ApiError:
    """A section is there but does not have the form it must have."""
    return ApiError("InvalidSchema", reason)


def invalid_version(reason: str) -> ApiError:
    """ROSTemplateFormatVersion is missing or of another format."""
    return ApiError("InvalidTemplateVersion", f"The template version is invalid: {reason}")


def invalid_section(section: str, known: str) -> ApiError:
    """A top-level key that templates do not have."""
    return ApiError("InvalidTemplateSection", f"The template section is invalid: {section}. Known sections: {known}.")


def invalid_reference(name: str, where: str) -> ApiError:
    """A name that is neither a parameter nor a resource nor a pseudo parameter."""
    return ApiError("InvalidTemplateReference", f'The specified reference "{name}" (in {where}) is incorrect.')


def invalid_attribute(resource: str, attribute: str, known: tuple[str, ...]) -> ApiError:
    """An attribute that the resource's type does not have."""
    text = f"The Referenced Attribute ({resource} {attribute}) is incorrect. It has: {', '.join(known) or 'none'}."
    return ApiError("InvalidTemplateAttribute", text)


def invalid_property_type(resource: str, section: str, reason: str) -> ApiError:
    """A value of the wrong kind, as a list where a map must stand."""
    text = f"The specified value type of ({resource} {section}) is incorrect: {reason}"
    return ApiError("InvalidTemplatePropertyType", text)


def validation_failed(reason: str) -> ApiError:
    """A well-formed template or request that breaks a rule."""
    return ApiError("StackValidationFailed", reason)


def not_emulated(what: str) -> ApiError:
    """Something that the vendor's cloud has and this one has not: said, never skipped."""
    return ApiError("StackValidationFailed", f"garret's local cloud does not emulate {what}; see {COVERAGE}.")


def circular_dependency(names: list[str]) -> ApiError:
    """Resources that wait for each other."""
    return ApiError("CircularDependency", f"Circular Dependency Found: {' -> '.join(names)}.")


def unknown_parameter(name: str, known: list[str]) -> ApiError:
    """A parameter was passed that the template does not define."""
    text = f"The Parameter ({name}) was not defined in template. Defined: {', '.join(known) or 'none'}."
    return ApiError("UnknownUserParameter", text)


def parameter_missing(name: str) -> ApiError:
    """A parameter without a default was not passed."""
    return ApiError("UserParameterMissing", f"The Parameter {name} was not provided.")


def stack_not_found(stack: str) -> ApiError:
    """No such stack in this region, or it was deleted."""
    return ApiError("StackNotFound", f"The Stack ({stack}) could not be found.", 404)


def stack_exists(name: str) -> ApiError:
    """The name is taken in this region."""
    return ApiError("StackExists", f"The Stack ({name}) already exists.", 409)


def resource_not_found(resource: str, stack: str) -> ApiError:
    """The stack has no resource of this logical name."""
    return ApiError("ResourceNotFound", f"The Resource ({resource}) could not be found in Stack {stack}.", 404)


def action_in_progress(name: str, action: str) -> ApiError:
    """The stack is busy with another action."""
    return ApiError("ActionInProgress", f"Stack {name} already has an action ({action}) in progress.", 409)


def token_mismatch(token: str) -> ApiError:
    """The ClientToken came before with other parameters (the vendor's page "Ensure idempotence")."""
    text = f"The ClientToken {token} was used before with other request parameters."
    return ApiError("InvalidIdempotenceParameter", text)


def invalid_parameter(name: str, reason: str) -> ApiError:
    """A request parameter of the wrong form."""
    return ApiError("InvalidParameter", f"The specified parameter {name} is invalid: {reason}")


def no_change(name: str) -> ApiError:
    """UpdateStack with the template, parameters and tags that the stack has already."""
    return ApiError("NotSupported", f"The stack {name} has this template with these parameters: nothing would change.")


def cannot_update(name: str, where: str, kind: str) -> ApiError:
    """A property that only another resource in place of this one can have."""
    text = f"{where} of the {kind} in the stack {name} cannot be changed; ReplacementOption=Enabled would replace it."
    return ApiError("NotSupported", text)


def change_set_not_found(id: str) -> ApiError:
    """No such change set in this region, or it was deleted."""
    return ApiError("ChangeSetNotFound", f"The ChangeSet {id} could not be found.", 404)


def change_set_exists(name: str, stack: str) -> ApiError:
    """The stack has a change set of this name."""
    return ApiError("ChangeSetExists", f"The ChangeSet ({name}) of Stack ({stack}) already exists.", 409)


def cannot_continue(name: str, reason: str) -> ApiError:
    """ContinueCreateStack of a stack, or with a template, for which that does not go."""
    return ApiError("ContinueCreateStackValidationFailed", f"The creation of {name} cannot be continued: {reason}.")


def cannot_protect(id: str, reason: str) -> ApiError:
    """SetDeletionProtection where it cannot be set."""
    text = f"Fail to set deletion protection for stack {id}, {reason}."
    return ApiError("InvalidOperation.SetDeletionProtection", text)


def drift_detection_not_found(id: str) -> ApiError:
    """No detection of this id in this region."""
    return ApiError("DriftDetectionNotFound", f"The DriftDetection ({id}) could not be found.", 404)
