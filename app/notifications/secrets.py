"""The secrets of webhooks.

Belongs here: the format of a secret. Does not belong here: signing and sending (`webhook_sender.py`), whose HTTP client is slow
to load, and not needed by servers, which only create secrets.
"""

import base64

# Standard Webhooks, "Signature scheme": at most 512 bits.
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64


def make_secret(random_bytes: bytes) -> str:
    """Return a signing secret: `whsec_` and base 64 of 24 to 64 random bytes. Raises ValueError for fewer or more bytes."""
    if not SECRET_BYTES_MIN <= len(random_bytes) <= SECRET_BYTES_MAX:
        raise ValueError(f"a secret takes {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")
    return f"whsec_{base64.b64encode(random_bytes).decode()}"
