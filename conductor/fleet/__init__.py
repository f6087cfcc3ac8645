"""The satellites' websocket: handshake, dispatch, inbox; and who is online.

Translates frames to calls of the services and back. Holds no job state of its own.
"""
