"""A service without a model: it answers with a tag. Run: python stub_service.py PORT TAG [TAG=FAULT ...]

The argument TAG=FAULT gives a tag a fault: `ends` (at its start), `dies` (at its first question), `no_text`,
`no_usage`, `no_choice`, `other` (tag), `broken` (500).
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, TAG = int(sys.argv[1]), sys.argv[2]


def get_fault() -> str:
    """Return the fault of this tag, from the arguments TAG=FAULT."""
    return dict(argument.rsplit("=", 1) for argument in sys.argv[3:]).get(TAG, "")


class Handler(BaseHTTPRequestHandler):
    """Answers as Seodang's service does, as far as a release asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        tag = "tiny:other" if get_fault() == "other" else TAG
        bodies = {"/readyz": {}, "/v1/models": {"data": [{"id": tag}]}, "/lineage": {}}
        self.reply(200 if self.path in bodies else 404, bodies.get(self.path, {}))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if get_fault() == "dies":
            os._exit(1)
        text = "" if get_fault() == "no_text" else "서울입니다."
        usage = {"prompt_tokens": 3, "completion_tokens": 2} if get_fault() != "no_usage" else None
        frame = {"model": TAG, "usage": usage}
        if get_fault() == "broken":
            self.reply(500, {})
        elif self.path == "/generate":
            self.reply(200, {**frame, "output": text, "finish_reason": "stop"})
        elif get_fault() == "no_choice":
            self.reply(200, {**frame, "choices": [text]})
        else:
            self.reply(200, {**frame, "choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    def reply(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


if __name__ == "__main__":
    if get_fault() == "ends":
        sys.exit("the weights are gone")
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
