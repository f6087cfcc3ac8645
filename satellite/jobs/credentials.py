"""Whom a job runs as (contract satellite_agent.md §5.3)."""

import grp
import os
import pwd
from functools import lru_cache
from typing import Any

from satellite.jobs.environment import Account


class SetupError(Exception):
    """The attempt cannot be started; the text becomes its result's description."""


def resolve(uid: Any, gid: Any) -> Account:
    """The account for a job's `uid` and `gid`: names, numbers, or empty for the satellite's own.

    Raises SetupError.
    """
    account = _own() if uid in (None, "") else _account(str(uid))
    if gid in (None, ""):
        return account
    return Account(account.name, account.uid, _group(str(gid)), account.home, account.shell)


def is_foreign(account: Account) -> bool:
    """Whether the process needs other credentials than the satellite's."""
    return account.uid != os.getuid() or account.gid != os.getgid()


@lru_cache(maxsize=1)
def _own() -> Account:
    uid = os.getuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        home = os.environ.get("HOME", "/")
        return Account(os.environ.get("USER", str(uid)), uid, os.getgid(), home, "/bin/sh")
    return Account(entry.pw_name, uid, os.getgid(), entry.pw_dir, entry.pw_shell or "/bin/sh")


def _account(name: str) -> Account:
    entry = None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        if name.isdigit():
            if int(name) == os.getuid():
                return _own()
            try:
                entry = pwd.getpwuid(int(name))
            except (KeyError, OverflowError):
                entry = None
    if entry is None:
        raise SetupError(f"Plugin Error: User does not exist: {name}")
    if entry.pw_uid == os.getuid():
        return _own()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell or "/bin/sh")


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if name.isdigit():
            try:
                return grp.getgrgid(int(name)).gr_gid
            except (KeyError, OverflowError):
                pass
    raise SetupError(f"Plugin Error: Group does not exist: {name}")
