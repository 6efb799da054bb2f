"""Let vLLM's worker processes outlive a signal for all processes of the service, which first finishes its requests.

vLLM imports this file in its workers. vLLM itself is not imported here. Read against vLLM 0.32.0:
vllm/v1/executor/multiproc_executor.py, whose workers end at once on SIGTERM and SIGINT, and by themselves with their
parent.
"""

from __future__ import annotations

import multiprocessing
import signal
from typing import Any, Final

_WORKER_NAME: Final = "VllmWorker"


class SignalExtension:
    """Methods that vLLM adds to its workers."""

    def ignore_end_signals(self) -> bool:
        """Ignore SIGTERM and SIGINT in a process of a worker alone; return whether it is one.

        With one device the worker is a part of vLLM's main process, which finishes its requests on SIGTERM.
        """
        is_worker = multiprocessing.current_process().name.startswith(_WORKER_NAME)
        if is_worker:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
        return is_worker


EXTENSION: Final = f"{SignalExtension.__module__}.{SignalExtension.__qualname__}"
"""Value of vLLM's argument worker_extension_cls."""


async def protect_workers(engine: Any) -> None:
    """Let the workers ignore SIGTERM and SIGINT, in the event loop of the requests.

    Args:
        engine: vllm.v1.engine.async_llm.AsyncLLM, started with EXTENSION.
    """
    await engine.collective_rpc(SignalExtension.ignore_end_signals.__name__)
