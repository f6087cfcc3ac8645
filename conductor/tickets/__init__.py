"""Tickets and their change log. Nothing stands here yet."""
