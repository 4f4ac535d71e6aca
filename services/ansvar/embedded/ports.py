"""Free ports on the loopback address.

A port found free can be taken by somebody else before the broker binds it; whoever starts a broker must
therefore be ready to try again with other ports, and never trust that whatever answers there is the broker.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

LOOPBACK = "127.0.0.1"


def free_ports(preferred: Sequence[int]) -> tuple[int, ...]:
    """As many distinct free TCP ports as there are preferred ones; 0 prefers none.

    A preferred port is kept if it is free, so that clients find a restarted broker where it was.
    """
    with contextlib.ExitStack() as stack:
        # All are held until all are chosen, else the same port could be chosen twice.
        return tuple(_bind(stack, port) for port in preferred)


def _bind(stack: contextlib.ExitStack, port: int) -> int:
    for candidate in (port, 0):
        listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        # As Java does: connections of the previous broker that linger in TIME_WAIT are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.bind((LOOPBACK, candidate))
            # Bound is not enough: with SO_REUSEADDR only listening shows that nobody else listens.
            listener.listen(1)
            chosen: int = listener.getsockname()[1]
            return chosen
    raise OSError(f"no free TCP port on {LOOPBACK}")


def accepts_connections(port: int) -> bool:
    """Whether anything at all listens on the loopback port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
