"""Seals messages between processes with a key, so that nobody else's are unpickled.

Whatever is unpickled can run code, and other users of a machine or a network can reach the sockets
by which processes meet. Pipes need no seal: nobody else has an end of them.
"""

import hmac

_DIGEST = "sha256"
_LENGTH = 32
"""Bytes of a seal."""


class ForgedError(ValueError):
    """A message that does not come from whom it should, or not in its turn."""


class Seal:
    """One direction of a conversation: opens every message once and in order, as it was closed.

    Args:
        key: Which both ends know, and nobody else.
        about: What tells this conversation and direction from all others with that key.
    """

    def __init__(self, key: bytes, about: bytes) -> None:
        self._key, self._count = derive(key, about), 0

    def close(self, data: bytes) -> bytes:
        """Returns `data` with its seal."""
        return self._seal(data) + data

    def open(self, sealed: bytes) -> bytes:
        """Returns what was closed.

        Raises:
            ForgedError: It was not closed with that key, or not as the next message.
        """
        data = sealed[_LENGTH:]
        if not hmac.compare_digest(sealed[:_LENGTH], self._seal(data)):
            raise ForgedError("a message has no valid seal")
        return data

    def _seal(self, data: bytes) -> bytes:
        self._count += 1
        made = hmac.new(self._key, self._count.to_bytes(8, "big"), _DIGEST)
        made.update(data)
        return made.digest()


def derive(secret: bytes, about: bytes) -> bytes:
    """Returns a key that follows from a secret, from which the secret does not follow."""
    return hmac.digest(secret, about, _DIGEST)
