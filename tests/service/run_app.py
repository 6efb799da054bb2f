"""Serve a packaged model under uvicorn alone, without BentoML. Run: python run_app.py FOLDER PORT [TAG]."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from seodang.service.model.loading import load_context
from seodang.service.telemetry.json_log import set_up_json_log
from seodang.service.web_app import create_app

if __name__ == "__main__":
    set_up_json_log()
    context = load_context(Path(sys.argv[1]), sys.argv[3] if len(sys.argv) > 3 else "tiny:0123456789ab")
    uvicorn.run(create_app(context), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
