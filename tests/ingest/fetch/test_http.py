"""Files at http(s) addresses: fetched once, completely, with a checksum, and without a secret in any message."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import socket
import ssl

import pytest
from tests.ingest.fetch.content import BODY, SECRET, SHA256

from seodang.errors import SourceError
from seodang.ingest.fetch import http
from seodang.ingest.fetch.locate import locate_files


@pytest.fixture
def site(monkeypatch, serve_files):
    monkeypatch.setattr(http, "_RETRY_DELAYS", (0.0, 0.0))
    monkeypatch.setattr(http, "_TIMEOUTS", (2.0, 2.0))
    with serve_files({"/data/a.jsonl": BODY}) as running:
        yield running


@pytest.fixture(scope="module")
def fetched(build_source):
    def fetched(root, site, path="/data/a.jsonl", sha256=SHA256):
        (file,) = locate_files(build_source(site.url + path, sha256=sha256), root, root / "cache")
        assert file.path.read_bytes() == BODY
        assert sorted(entry.name for entry in file.path.parent.iterdir() if not entry.name.startswith(".lock")) == [
            file.path.name
        ]
        return file

    return fetched


def test_a_web_file_is_fetched_once_and_keeps_its_name(tmp_path, site, fetched):
    file = fetched(tmp_path, site)
    assert (file.location, file.url, file.path.name) == (f"{site.url}/data/a.jsonl",) * 2 + ("a.jsonl",)
    fetched(tmp_path, site)
    assert len(site.requests) == 1


def test_a_cached_file_that_was_damaged_is_fetched_again(tmp_path, site, fetched):
    fetched(tmp_path, site).path.write_bytes(b"damaged")
    fetched(tmp_path, site)
    assert len(site.requests) == 2


@pytest.mark.parametrize("failure", [500, 503, 429, "cut", "drop"])
def test_what_may_pass_is_tried_again(tmp_path, site, failure, fetched):
    site.failures = [failure]
    fetched(tmp_path, site)
    assert len(site.requests) == 2


def test_a_download_that_broke_off_goes_on_where_it_was_even_in_another_run(tmp_path, site, fetched, get_source_error):
    half, quarter = len(BODY) // 2, len(BODY) // 4
    site.failures = ["cut", "cut", 500]
    assert "the server answers with status 500, after 3 attempts" in get_source_error(
        tmp_path, f"{site.url}/data/a.jsonl", sha256=SHA256
    )
    fetched(tmp_path, site)
    assert [byte_range for _, _, byte_range in site.requests] == [
        "",
        f"bytes={half}-",
        f"bytes={half + quarter}-",
        f"bytes={half + quarter}-",
    ]


def test_a_server_without_ranges_gets_a_request_for_the_complete_file(tmp_path, site, fetched):
    site.ranges = False
    site.failures = ["cut"]
    fetched(tmp_path, site)


@pytest.mark.parametrize("left", [b"another version", BODY, BODY + b"more"], ids=["other", "complete", "longer"])
def test_what_an_earlier_run_left_never_spoils_the_file(tmp_path, site, left, fetched):
    part = tmp_path / "cache" / "web" / SHA256 / ".part"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    fetched(tmp_path, site)


def test_a_file_with_another_sha256_is_not_kept_and_the_message_gives_both_hashes(tmp_path, site, get_source_error):
    message = get_source_error(tmp_path, f"{site.url}/data/a.jsonl", sha256="1" * 64)
    assert f"expected {'1' * 64}, found {SHA256} ({len(BODY):,} bytes);" in message
    assert "params.yaml" in message
    assert [
        entry.name
        for entry in (tmp_path / "cache" / "web" / ("1" * 64)).iterdir()
        if not entry.name.startswith(".lock")
    ] == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "the server has no such file (status 404)"),
        (403, "the server refuses access (status 403)"),
        (401, "the server asks for credentials (status 401)"),
        (418, "the server answers with status 418"),
    ],
)
def test_a_permanent_refusal_is_not_retried(tmp_path, site, status, message, get_source_error):
    site.failures = [status]
    assert message in get_source_error(tmp_path, f"{site.url}/data/a.jsonl", sha256=SHA256)
    assert len(site.requests) == 1


def test_an_unknown_host_a_closed_port_and_an_invalid_url_have_different_messages(tmp_path, site, get_source_error):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert "the host name is unknown (DNS)" in get_source_error(
        tmp_path, "http://no-such-host.invalid/a.json", sha256=SHA256
    )
    assert "the host refuses the connection" in get_source_error(
        tmp_path, f"http://127.0.0.1:{port}/a.json", sha256=SHA256
    )
    assert "is not a valid URL" in get_source_error(tmp_path, "http:///a.json", sha256=SHA256)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(tmp_path, site, monkeypatch, get_source_error):
    monkeypatch.setattr(http, "_TIMEOUTS", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "the server did not answer in time, after 3 attempts" in get_source_error(
            tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/a.json", sha256=SHA256
        )


def certify(folder):
    """Write a certificate for this machine that nobody but itself vouches for, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    today = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        x509.random_serial_number(),
        today - datetime.timedelta(1),
        today + datetime.timedelta(1),
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    (folder / "certificate").write_bytes(
        builder.add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    unlocked = serialization.NoEncryption()
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unlocked)
    )


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path, monkeypatch, fetched, get_source_error, serve_files
):
    certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with serve_files({"/data/a.jsonl": BODY}, context) as site:
        assert "the server's certificate is not trusted" in get_source_error(
            tmp_path, f"{site.url}/data/a.jsonl", sha256=SHA256
        )
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate"))
        fetched(tmp_path, site)


@pytest.mark.parametrize("failures", [[], [404], [500] * 3, ["drop"] * 3])
def test_a_password_and_a_token_stand_in_no_message_no_log_and_no_name(
    tmp_path, site, caplog, monkeypatch, failures, build_source, read_all
):
    monkeypatch.setenv("DATA_TOKEN", SECRET)
    site.failures = failures
    url = site.url.replace("http://", "http://me:${DATA_TOKEN}@") + "/data/a.jsonl?sig=${DATA_TOKEN}&id=7"
    with caplog.at_level(logging.DEBUG):
        try:
            said = repr(locate_files(build_source(url, sha256=SHA256), tmp_path, tmp_path / "cache"))
        except SourceError as error:
            said = str(error)
    assert site.requests[0][1] == f"/data/a.jsonl?sig={SECRET}&id=7"
    assert site.authorization[0].startswith("Basic ")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("seodang"))
    assert SECRET not in said + ours + read_all(tmp_path)
    assert "me:" not in said
    assert "a.jsonl?sig=...&id=..." in said


@pytest.mark.parametrize(
    ("user", "warned"), [("me:hunter2@", True), ("me:${DATA_TOKEN}@", False), ("me@", False), ("", False)]
)
def test_a_password_in_params_yaml_is_warned_of(tmp_path, site, caplog, monkeypatch, user, warned, build_source):
    monkeypatch.setenv("DATA_TOKEN", SECRET)
    locate_files(
        build_source(site.url.replace("//", f"//{user}") + "/data/a.jsonl", sha256=SHA256), tmp_path, tmp_path / "cache"
    )
    assert ("holds a password" in caplog.text) is warned
    assert SECRET not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("seodang"))


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path, site, get_source_error):
    (tmp_path / "cache").write_bytes(b"")
    assert "cannot be stored in cache (" in get_source_error(tmp_path, f"{site.url}/data/a.jsonl", sha256=SHA256)


def test_a_variable_that_is_not_set_is_named(tmp_path, get_source_error):
    assert "the environment variable NOT_SET_HERE is not set" in get_source_error(
        tmp_path, "https://x:${NOT_SET_HERE}@localhost/a.json", sha256=SHA256
    )
