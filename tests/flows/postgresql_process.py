"""A PostgreSQL server of its own on loopback, for the tests of a Prefect server that keeps its records there."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows.process_guard import guard_process
from tests.flows.prefect_processes import PATIENCE, find_free_port, wait_for

_SYSTEM_USER = "postgres"  # PostgreSQL refuses to run as root
_SPEED = ("-c", "fsync=off", "-c", "full_page_writes=off")  # nobody needs these records after a power cut


@dataclass(frozen=True)
class Database:
    """A database with an owner who may not do anything outside of it, as docs/prefect.md creates it."""

    programs: Path
    port: int
    env: dict[str, str]

    @property
    def url(self) -> str:
        """As PREFECT_SERVER_DATABASE_CONNECTION_URL takes it."""
        return f"postgresql+asyncpg://prefect:{self.env['PGPASSWORD']}@127.0.0.1:{self.port}/prefect"

    def run(self, program: str, *words: str, user: str = "prefect") -> str:
        """Run a client and return what it prints."""
        command = [self.programs / program, "-h", "127.0.0.1", "-p", str(self.port), "-U", user, *words]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def query(self, text: str) -> str:
        return self.run("psql", "-d", "prefect", "-Atc", text)

    def is_ready(self) -> bool:
        command = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs; Debian keeps one per version, outside of PATH.

    The test is skipped where PostgreSQL is not installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL is installed: apt-get install postgresql")
    return Path(initdb).resolve().parent


@contextmanager
def run_database() -> Iterator[Database]:
    """Run a PostgreSQL server with the database `prefect` until the context ends."""
    programs, password = find_programs(), os.urandom(16).hex()
    env = {**os.environ, "PGPASSWORD": password, "LC_ALL": "C.UTF-8"}
    database = Database(programs, find_free_port(), env)
    change_user = []
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        if os.geteuid() == 0:
            change_user = ["setpriv", f"--reuid={_SYSTEM_USER}", f"--regid={_SYSTEM_USER}", "--clear-groups"]
            for path in (folder, folder / "password"):
                shutil.chown(path, _SYSTEM_USER, _SYSTEM_USER)
        initialize = [programs / "initdb", "-D", folder / "data", "-U", _SYSTEM_USER, "--no-sync", "-E", "UTF8"]
        initialize += ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
        subprocess.run([*change_user, *initialize], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
        serve = [programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(database.port), *_SPEED]
        serve += ["-c", "unix_socket_directories="]
        words = list(map(str, [*change_user, *serve]))
        with (
            (folder / "postgresql.log").open("w") as log,
            guard_process(words, cwd=folder, env=env, output=log) as process,
        ):
            wait_for(lambda: database.is_ready() or process.poll() is not None)
            assert process.poll() is None, (folder / "postgresql.log").read_text()
            create = f"CREATE ROLE prefect LOGIN PASSWORD '{password}'"
            database.run("psql", "-d", "postgres", "-qc", create, user=_SYSTEM_USER)
            database.run("createdb", "--owner", "prefect", "prefect", user=_SYSTEM_USER)
            yield database
