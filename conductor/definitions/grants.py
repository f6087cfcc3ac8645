"""Privileges in roles and API keys: their stored form, and who may grant them (contract access.md §4, §5)."""

from typing import Any

from conductor.definitions.json_values import Json, truthy
from conductor.definitions.text import is_word, shown
from conductor.definitions.writer import Writer
from conductor.errors import AccessDenied, BadParameter


def normalised(privileges: Any) -> Json:
    """Each granted privilege with the value true; what is falsy is not granted and is left out.

    Raises BadParameter for anything but an object of words. Unknown privileges are kept: they grant nothing
    here, and records of other versions survive.
    """
    if privileges is None:
        return {}
    if not isinstance(privileges, dict):
        raise BadParameter("Parameter is not type object: privileges")
    for id in privileges:
        if not is_word(id):
            raise BadParameter(f"Malformed privilege: {shown(id)}")
    return {id: True for id, value in privileges.items() if truthy(value)}


def require_held(privileges: Json, by: Writer) -> None:
    """Nobody gives away what they do not hold. Raises AccessDenied, naming the privilege."""
    for id in privileges:
        if not by.may(id):
            raise AccessDenied(f"You cannot grant a privilege that you do not hold: {id}")
