"""Time-based codes (RFC 6238): six digits, SHA-1, 30 seconds, as every authenticator app makes them. Pure."""

STEP_SECONDS = 30
DRIFT = 1
"""Steps that a clock may be fast or slow."""
ISSUER = "OpsOrbit"


def fresh_secret() -> str:
    """160 random bits in base32."""
    import pyotp

    return pyotp.random_base32()


def provisioning_uri(secret: str, username: str) -> str:
    """The `otpauth://` address that an app takes, usually from a QR code."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def matched_step(secret: str, code: str, moment: float, after: int) -> int | None:
    """The step that `code` is of, within the drift around `moment` and later than `after`; None without one.

    Steps count 30 seconds from 1970. Who keeps the step that he was given as the next `after` takes no code
    twice, and none that is older than one he took.
    """
    import pyotp

    present = int(moment // STEP_SECONDS)
    made = pyotp.TOTP(secret)
    # Every step is compared, so that the time it takes does not tell which of them it was.
    found = [
        step
        for step in range(present - DRIFT, present + DRIFT + 1)
        if pyotp.utils.strings_equal(made.generate_otp(step), code)
    ]
    return next((step for step in found if step > after), None)
