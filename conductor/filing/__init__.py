"""Files that people and jobs keep: buckets, uploads, job files, their expiry and the tokens that open them."""
