"""Files that people and jobs keep: buckets, uploads, job files, their expiry and the tokens that open them.

Blobs live in the object store (`records.files`) under the paths of contract api/files.yaml; what is known of
them lives in SQL. An entry in `file_expiry` comes before its blob, so that a death in between leaves nothing
for ever. Called by `api` and, through ports, by jobs and actions; calls `records` alone.
"""
