"""Publishing in one process and fetching in another, over the web server of docs/registry.md."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from acp.cli import main
from tests.acp.examples import descriptor

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
NOW = "2026-11-20T00:00:00Z"
URI = "https://example.com/acp/e100"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def certificate(folder):
    """Write a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, SHA256())
    )
    (folder / "tls.pem").write_bytes(made.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tls.key").write_bytes(private)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configuration(repository, folder, port, extra=""):
    """The server of docs/registry.md, for this folder and port."""
    page = (repository / "docs" / "registry.md").read_text(encoding="utf-8")
    [server] = re.findall(r"^```text id=nginx\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for old, new in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server_name registry.example;": f"server_name localhost; {extra}",
        "/etc/ssl/registry.pem": str(folder / "tls.pem"),
        "/etc/ssl/registry.key": str(folder / "tls.key"),
        "/srv/registry/public": str(folder / "registry" / "public"),
    }.items():
        assert old in server
        server = server.replace(old, new)
    return AROUND.format(folder=folder, server=server)


class Place:
    """A folder with keys, a policy, documents, and a registry that nginx serves."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address
        home = {"HOME": str(folder / "home"), "SSL_CERT_FILE": str(folder / "tls.pem")}
        self.environment = os.environ | home

    def start(self, *words):
        command = [sys.executable, "-c", "from acp.cli import main; main()", *map(str, words)]
        return subprocess.Popen(
            [*command, "--format", "json"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def acp(self, *words, status=0):
        """Run a command in this process."""
        line = [*map(str, words), "--format", "json"]
        result = CliRunner(catch_exceptions=False).invoke(main, line)
        assert result.exit_code == status, result.stdout + result.stderr
        return json.loads(result.stdout)

    def elsewhere(self, *words, status=0):
        """Run a command in a process of its own."""
        process = self.start(*words)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == status, out + errors
        return json.loads(out)

    def fetch(self, reference, *more, status=0):
        line = ("fetch", reference, "--registry", self.address, "--policy", "policy.json")
        return self.elsewhere(*line, "--now", NOW, *more, status=status)

    def document(self, revision):
        name = f"device-{revision}"
        value = descriptor() | {"revision": str(revision)}
        (self.folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
        signed = f"{name}.dsse.json"
        self.acp("sign", f"{name}.json", "--key", "vendor.pem", "-o", signed, "--now", NOW)
        return signed

    def publish_line(self, *names):
        keys = ("--registry-key", "vendor-registry.pem", "--online-key", "online.pem")
        return ("publish", "registry", *names, "--policy", "policy.json", *keys, "--now", NOW)

    def remembered(self):
        base = self.folder / "home"
        return {
            str(path.relative_to(base)): path.readlink() if path.is_symlink() else path.read_bytes()
            for path in base.rglob("*")
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder in which all commands run."""
    folder = tmp_path_factory.mktemp("nginx")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def place(folder, repository):
    certificate(folder)
    port = free_port()
    found = Place(folder, f"https://127.0.0.1:{port}")
    for name in ("root-a", "root-b", "targets", "online", "vendor", "vendor-registry"):
        found.acp("keygen", "-o", f"{name}.pem")
    roots = ("--root-key", "root-a.pub.pem", "--root-key", "root-b.pub.pem")
    others = ("--targets-key", "targets.pub.pem", "--online-key", "online.pub.pem")
    found.acp("registry", "init", "registry", *roots, "--root-threshold", "2", *others)
    delegation = ("registry", "delegate", "registry", "example.com")
    found.acp(*delegation, "--key", "vendor-registry.pub.pem")
    keys = [word for name in ("root-a", "root-b", "targets") for word in ("--key", f"{name}.pem")]
    found.acp("registry", "sign", "registry", *keys)
    found.acp("registry", "refresh", "registry", "--key", "online.pem")
    types = ("--type", "capability-descriptor", "--type", "status-list")
    grant = ("--key", "vendor.pub.pem", "--issuer", "example.com", *types)
    found.acp("policy", "create", *grant, "-o", "policy.json")
    slow = "location /slow/ { alias SLOW/; limit_rate 50; }"
    text = configuration(
        repository, folder, port, slow.replace("SLOW", str(folder / "registry" / "public"))
    )
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    assert NGINX is not None
    server = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert server.poll() is None, (folder / "error.log").read_text()
        found.acp(*found.publish_line(found.document(1)))
        root = ("--root", "registry/public/metadata/1.root.json")
        found.fetch(f"example.com/{URI}", *root)
        yield found
    finally:
        server.terminate()
        server.wait(20)


def test_a_document_goes_from_one_process_to_another(place):
    signed = place.document(2)
    place.elsewhere(*place.publish_line(signed))
    answer = place.fetch(f"example.com/{URI}@2", "-o", "got.json")
    [found] = answer["documents"]
    assert found["downloaded"] is True
    assert (place.folder / "got.json").read_bytes() == (place.folder / signed).read_bytes()
    log = (place.folder / "access.log").read_text()
    assert f'{found["digest"].removeprefix("sha256:")}.json HTTP/1.1" 200' in log


def test_publishing_and_fetching_at_the_same_time(place):
    names = [place.document(10 + number) for number in range(2)]
    publisher = place.start(*place.publish_line(names[0]))
    revisions = []
    for name in [*names[1:], None]:
        while publisher.poll() is None:
            [found] = place.fetch(f"example.com/{URI}")["documents"]
            revisions.append(found["revision"])
        assert publisher.communicate()[0]
        assert publisher.returncode == 0
        if name is not None:
            publisher = place.start(*place.publish_line(name))
    [found] = place.fetch(f"example.com/{URI}")["documents"]
    assert [*revisions, found["revision"]] == sorted([*revisions, 11])


def codes(answer):
    return [one["code"] for one in answer["diagnostics"] if one["severity"] == "error"]


def test_a_server_that_was_set_back_is_refused_without_a_trace(place):
    timestamp = place.folder / "registry" / "public" / "metadata" / "timestamp.json"
    old = timestamp.read_bytes()
    place.acp("registry", "refresh", "registry", "--key", "online.pem")
    place.fetch(f"example.com/{URI}")
    new, before = timestamp.read_bytes(), place.remembered()
    timestamp.write_bytes(old)
    assert codes(place.fetch(f"example.com/{URI}", status=1)) == ["REG-M2"]
    assert place.remembered() == before
    timestamp.write_bytes(new)
    place.fetch(f"example.com/{URI}")


def test_a_slow_server_is_given_up(place):
    slow = Place(place.folder, f"{place.address}/slow")
    root = ("--root", "registry/public/metadata/1.root.json", "--state", "slow-state")
    began = time.monotonic()
    answer = slow.fetch(f"example.com/{URI}", *root, "--timeout", "3", status=1)
    assert codes(answer) == ["REG-D2"]
    assert time.monotonic() - began < 60
    assert not (place.folder / "slow-state" / "current").exists()


def test_caches_may_keep_all_but_the_timestamp(place):
    context = ssl.create_default_context(cafile=place.folder / "tls.pem")
    for name, expected in (("timestamp.json", "no-cache"), ("1.root.json", "immutable")):
        with urlopen(f"{place.address}/metadata/{name}", context=context) as answer:  # noqa: S310
            assert expected in answer.headers["Cache-Control"]


def test_a_revocation_reaches_the_other_process(place):
    place.acp(*place.publish_line(place.document(20)))
    [found] = place.fetch(f"example.com/{URI}@20")["documents"]
    assert found["revocation_checked"] is False
    line = ("revoke", "registry", f"example.com/{URI}@20", "--policy", "policy.json")
    keys = ("--key", "vendor.pem", "--registry-key", "vendor-registry.pem")
    place.acp(*line, *keys, "--online-key", "online.pem", "--now", NOW)
    before = place.remembered()
    assert codes(place.fetch(f"example.com/{URI}@20", status=1)) == ["ACP-T01"]
    assert codes(place.fetch(f"example.com/{URI}@20", "--offline", status=1)) == ["ACP-T01"]
    assert before != place.remembered(), "the revocation is remembered"
    place.acp(*place.publish_line(place.document(21)))
    [found] = place.fetch(f"example.com/{URI}")["documents"]
    assert found["revision"] == 21
    assert found["revocation_checked"] is True


def test_a_certificate_that_nobody_vouches_for(place):
    stranger = Place(place.folder, place.address)
    stranger.environment = {
        name: value for name, value in stranger.environment.items() if name != "SSL_CERT_FILE"
    }
    answer = stranger.fetch(f"example.com/{URI}", status=1)
    assert codes(answer) == ["REG-D4"]
    assert "certificate" in answer["diagnostics"][0]["message"]
