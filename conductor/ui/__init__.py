"""The browser app. Nothing stands here yet."""
