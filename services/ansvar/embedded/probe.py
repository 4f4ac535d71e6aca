"""Who answers on a port: the cluster id, asked in Kafka's own protocol.

An open port proves nothing (any program may listen there); only the id that was drawn when our data
directory was formatted shows that the broker on it is ours.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ansvar.embedded.ports import LOOPBACK, accepts_connections

_ANSWER_SECONDS = 3.0


def answering_cluster(port: int) -> str | None:
    """The cluster id of the Kafka broker on the loopback port that can serve clients now, or None.

    Takes at most about 3 s. May be called from anywhere, also where an event loop runs.
    """
    if not accepts_connections(port):
        return None
    with ThreadPoolExecutor(1) as own_thread:
        return own_thread.submit(asyncio.run, _ask(port)).result()


async def _ask(port: int) -> str | None:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=f"{LOOPBACK}:{port}", request_timeout_ms=int(_ANSWER_SECONDS * 1000)
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await admin.start()
            cluster = await admin.describe_cluster()
    except (KafkaError, TimeoutError, OSError, ValueError):
        # ValueError: bytes that are no Kafka answer.
        return None
    finally:
        await admin.close()
    # A broker answers before it has registered with its controller; clients need it registered.
    return str(cluster["cluster_id"]) if cluster["brokers"] else None
