"""What browsers are told before anybody logs in (contract platform.md §1.4). Public: nothing secret in here."""

from collections.abc import Mapping
from typing import Any

from conductor.settings import Settings

Json = dict[str, Any]

_FILE_BYTES = 1024**3

CLIENT: Mapping[str, Any] = {
    "name": "OpsOrbit",
    "company": "",
    "logo_url": "/images/logotype.png",
    "hide_sidebar_sections": [],
    "tables": {},
    "items_per_page": 50,
    "alt_items_per_page": 25,
    "max_table_rows": 500,
    "max_menu_items": 1000,
    "api_timeout_ms": 10_000,
    "max_job_output": "5 MB",
    "alt_to_toggle": False,
    "outdated_badges": True,
    "new_event_template": {
        "id": "",
        "title": "",
        "enabled": True,
        "targets": [],
        "params": {},
        "fields": [],
        "triggers": [{"enabled": True, "type": "manual"}],
        "limits": [
            {"type": "job", "enabled": True, "amount": 1},
            {"type": "queue", "enabled": True, "amount": 0},
            {"type": "retry", "enabled": True, "amount": 0, "duration": 0},
        ],
        "actions": [],
        "notes": "",
    },
    "new_ticket_template": {
        "status": "open",
        "assignees": [],
        "due": "",
        "type": "change",
        "subject": "",
        "body": "",
        "category": "",
        "server": "",
        "cc": [],
        "notify": [],
        "tags": [],
    },
    "chart_defaults": {},
    "editor_defaults": {},
    "bucket_upload_settings": {
        "max_files_per_bucket": 100,
        "max_file_size": _FILE_BYTES,
        "accepted_file_types": "",
    },
    "ticket_upload_settings": {
        "max_files_per_ticket": 100,
        "max_file_size": _FILE_BYTES,
        "accepted_file_types": "",
    },
    "job_upload_settings": {
        "max_files_per_job": 100,
        "max_file_size": _FILE_BYTES,
        "accepted_file_types": "",
        "user_file_expiration": "30 days",
        "plugin_file_expiration": "30 days",
    },
    "run_event_dialog": {
        "hide_files": False,
        "hide_tags": False,
        "hide_priority": False,
        "hide_params": False,
    },
}


def client_settings(settings: Settings) -> Json:
    """The stock values under the installation's own."""
    return {**CLIENT, **settings.client}
