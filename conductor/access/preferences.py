"""What the browser remembers of a user, and what every new one starts with (contract structures/defaults.yaml)."""

from collections.abc import Mapping
from typing import Any

PREFERENCES: Mapping[str, Any] = {
    "language": "",
    "region": "",
    "num_format": "",
    "hour_cycle": "h12",
    "timezone": "",
    "color_acc": False,
    "privacy_mode": False,
    "notifications": False,
    "effects": True,
    "page_info": True,
    "contrast": "auto",
    "motion": "auto",
    "volume": 7,
    "filters": {
        "brightness": 100,
        "contrast": 100,
        "hue": 0,
        "saturation": 100,
        "sepia": 0,
        "grayscale": 0,
    },
    "searches": [
        {"name": "All Completed", "uri": "Search", "icon": "cloud-search-outline"},
        {"name": "Successes", "uri": "Search?result=success", "icon": "check-circle-outline"},
        {"name": "Errors", "uri": "Search?result=error", "icon": "alert-decagram-outline"},
        {"name": "Warnings", "uri": "Search?result=warning", "icon": "alert-outline"},
        {"name": "Criticals", "uri": "Search?result=critical", "icon": "fire-alert"},
        {"name": "All Tickets", "uri": "Tickets", "icon": "text-box-multiple-outline"},
        {"name": "Open Tickets", "uri": "Tickets?status=open", "icon": "label-variant-outline"},
        {
            "name": "Overdue Tickets",
            "uri": "Tickets?status=open&query=due%3A%3Ctoday",
            "icon": "calendar-alert",
        },
        {"name": "My InBox", "uri": "Tickets?status=open&assignee=self", "icon": "email-variant"},
        {"name": "My Drafts", "uri": "Tickets?status=draft&username=self", "icon": "dots-horizontal"},
    ],
}
"""What every new user starts with (contract structures/defaults.yaml)."""
