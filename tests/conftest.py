"""Settings of all tests."""

import os

os.environ["SEODANG_LANG"] = "en"  # here, so that the processes that tests start speak English too
