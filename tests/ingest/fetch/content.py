"""The file that the servers of these tests have, and a secret that must never be shown."""

import hashlib

BODY = b'{"instruction": "a", "output": "b"}\n' * 400
SHA256 = hashlib.sha256(BODY).hexdigest()
SECRET = "hunter2"
