"""Run DVC's commands for a flow run, each in a copy of a process that has imported DVC once.

A flow run calls DVC for each stage, and the import of DVC takes three times as long as a stage that has not changed.
A fork has DVC's modules and none of its state, so each command runs as if it were started alone. This file runs as a
script below flows/process_guard.py, and imports only the standard library and DVC.

A request is a line of JSON on the pipe: `arguments`, `environment`, `token`. The output goes to stdout; a line with the
token and the exit code ends it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from typing import Any

# What `dvc repro` imports, the program itself first.
_MODULES = (
    *(
        "dvc.cli",
        "dvc.commands.repro",
        "dvc.repo",
        "dvc.repo.reproduce",
        "dvc.cachemgr",
        "dvc.compare",
        "dvc.data_cloud",
    ),
    *(
        "dvc.lock",
        "dvc.rwlock",
        "dvc.scm",
        "dvc_render",
        "flufl.lock",
        "psutil",
        "ruamel.yaml",
        "scmrepo.git",
        "zc.lockfile",
    ),
)


def main(requests: int) -> int:
    """Answer the requests on a pipe until it closes; return the exit code."""
    for name in _MODULES:
        with contextlib.suppress(ImportError):  # of another version of DVC, which imports it later
            importlib.import_module(name)
    try:
        with os.fdopen(requests, encoding="utf-8") as lines:
            for line in lines:
                request = json.loads(line)
                code = _run(request)
                print(f"\n{request['token']} {code}", flush=True)
    except KeyboardInterrupt:
        return 130
    return 0


def _run(request: dict[str, Any]) -> int:
    """Run a command in a fork and return its exit code as a shell does."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            code = _run_dvc(request)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(code)
    try:
        status = os.waitpid(child, 0)[1]
    except KeyboardInterrupt:  # the whole group got it; DVC and its stage end before this process
        os.waitpid(child, 0)
        raise
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _run_dvc(request: dict[str, Any]) -> int:
    import dvc.cli

    sys.argv = ["dvc", *request["arguments"]]  # DVC notes it in its lock file
    os.environ.update(request["environment"])
    try:
        return int(dvc.cli.main(request["arguments"]))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
