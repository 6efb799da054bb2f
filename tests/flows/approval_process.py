"""Runs of the flow `release` that wait for an approval, without a release. Run: python approval_process.py PROJECT

Prints the name and the message of each run's state as JSON; the third run gets no answer.
"""

import json
import sys

from flows import release as release_module
from flows.release import release

from seodang.orchestration.release_parameters import ReleaseParameters

if __name__ == "__main__":
    release_module._POLL_SECONDS = 1  # type: ignore[misc]
    release_module.run_seodang = lambda _command, options, _folder: print(json.dumps({"released": options})) or []
    for seconds in (300, 300, 1):
        run = ReleaseParameters(approval=True, approval_seconds=seconds)
        state = release(run, sys.argv[1], return_state=True)
        print(json.dumps({"name": state.name, "message": state.message}), flush=True)
