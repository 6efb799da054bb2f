"""Settings of Prefect that let runs survive kills and restarts. docs/prefect.md lists those of the server.

Without Prefect, because Prefect reads its settings when it is imported.
"""

from __future__ import annotations

from typing import Final

# A server keeps the leases on concurrency slots in memory by default: after its restart, a slot that a dead run holds
# is never given back.
SERVER: Final = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Seconds until a run that waits for a slot asks again; Prefect's default is 30.
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    # Seconds until a run whose worker does not answer is Cancelled; Prefect's default is 300.
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": "60",
    # How long the server keeps what an automation waits for, after its time; Prefect's default is a minute. The server
    # tidies up without looking first: a database that was locked for a minute lost the dead runs of that minute.
    "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P1D",
}
# Of the process of a run. prefect.yaml repeats them for workers; a test compares the two.
RUN: Final = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; Prefect's minimum
    # A request waits 2, 4, ... 256 seconds for a server that has gone: 8 minutes in all, by default one minute.
    "PREFECT_CLIENT_MAX_RETRIES": "8",
}
# Seconds between a worker's taking a run and its start. Less than the 300 of the lease on its slot: after the lease has
# expired, a crash would give the slot back a second time.
START_SECONDS: Final = 240.0
