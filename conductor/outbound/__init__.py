"""What leaves the conductor: mail and HTTP requests, with their guards, caps and retries. Decides nothing."""
