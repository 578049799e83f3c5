"""The secrets of webhooks.

Belongs here: how a secret is written. Does not: signing and sending (`webhook.py`), whose HTTP client is slow to load, and no
business of servers that only make secrets.
"""

import base64

# Standard Webhooks, "Signature scheme"; 512 bits are the most.
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64


def make_secret(random_bytes: bytes) -> str:
    """A secret for signing, as both sides write it: `whsec_` and base 64. Takes 24 to 64 bytes of chance, or ValueError."""
    if not SECRET_BYTES_MIN <= len(random_bytes) <= SECRET_BYTES_MAX:
        raise ValueError(f"a secret takes {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")
    return f"whsec_{base64.b64encode(random_bytes).decode()}"
