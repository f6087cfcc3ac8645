"""Tokens derived from the cluster's secret key. Formulas: contract access.md §8, jobs.md §19.

Compare them with `matches`, never with `==`.
"""

import base64
import hashlib
import hmac


def sha256_hex(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def server_token(server_id: str, secret_key: str) -> str:
    """What a satellite shows to join, to finish a job and to upload its files."""
    return sha256_hex(server_id, secret_key)


def nonce_token(nonce: str, secret_key: str) -> str:
    """The join token of a satellite that holds the cluster's secret itself."""
    return sha256_hex(nonce, secret_key)


def job_token(job_id: str, secret_key: str) -> str:
    """Finishes or uploads for one job, with no server named."""
    return sha256_hex(job_id, secret_key)


def runner_token(job_id: str, token_of_server: str) -> str:
    """Given to a remote runner's process: good for that job alone."""
    return sha256_hex(job_id, token_of_server)


def log_token(job_id: str, secret_key: str) -> str:
    """Reads a job's log without credentials: 22 URL-safe characters."""
    digest = hashlib.sha256(f"download{job_id}{secret_key}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def stream_token(job_id: str, secret_key: str) -> str:
    """Follows a job's stream without credentials."""
    return sha256_hex("stream", job_id, secret_key)


def url_signature(subject: str, expires: int, secret_key: str) -> str:
    """Opens one thing by URL until `expires`, Unix seconds: 43 URL-safe characters."""
    text = f"url\n{expires}\n{subject}".encode()
    digest = hmac.digest(secret_key.encode(), text, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def matches(given: str, expected: str) -> bool:
    """Whether two tokens are equal, in constant time."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
