"""Who may look into a bucket (contract api/buckets.yaml, "Where to be better"). Pure.

A bucket may name `categories` and `groups`: then a limited account needs one of them. A bucket that names
neither is open to every account, as in the original.
"""

from collections.abc import Mapping
from typing import Any

from conductor.access.account import Account
from conductor.errors import AccessDenied


def sees_bucket(account: Account, bucket: Mapping[str, Any]) -> bool:
    categories, groups = _words(bucket.get("categories")), _words(bucket.get("groups"))
    if account.categories and categories and not any(one in account.categories for one in categories):
        return False
    return not (account.groups and groups and not any(one in account.groups for one in groups))


def require_bucket(account: Account, bucket: Mapping[str, Any]) -> None:
    if not sees_bucket(account, bucket):
        text = "You do not have the required account privileges to access bucket ID"
        raise AccessDenied(f"{text} {bucket.get('id')}.")


def _words(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
