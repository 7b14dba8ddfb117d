"""What ansible-core's suite expects behind `needs/httptester`: httpbin and some TLS hosts with authorities of their own.

Source of the behaviour: the hosts, ports and paths that the suite's targets ask for (get_url, uri, lookup_url,
prepare_http_tests). Listens on an address of 127.0.0.0/8 that is free, and appends its names to the hosts file (argument 1), which
is also how a caller knows that it is ready. Kerberos is not served. With argument 2, a folder, it is also each host that has a folder
there: its files are served, or as github.com its bare clones; the certificate of its authority is left in it as cacert.pem.
"""

import os
import random
import ssl
import subprocess
import sys
import threading

import httpbin
import trustme
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

MAIN, FAIL, SIGNED = "ansible.http.tests", "fail.ansible.http.tests", "self-signed.ansible.http.tests"
FOLDER = sys.argv[2] if len(sys.argv) > 2 else None
HOSTS = [name for name in os.listdir(FOLDER) if "." in name] if FOLDER else []
SNI = ["sni1.ansible.http.tests", "sni2.ansible.http.tests"]

authority, other = trustme.CA(), trustme.CA()
client = authority.issue_cert(common_name="client.ansible.http.tests")
FILES = {
    "/cacert.pem": authority.cert_pem.bytes(),
    "/ca2cert.pem": other.cert_pem.bytes(),
    "/client.pem": b"".join(b.bytes() for b in client.cert_chain_pems),
    "/client.key": client.private_key_pem.bytes(),
}


def context(name, issuer):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(name).configure_cert(made)
    authority.configure_trust(made)
    made.verify_mode = ssl.CERT_OPTIONAL
    return made


CONTEXTS = {name: context(name, authority) for name in [MAIN, *HOSTS, *SNI]}


def by_name(connection, name, _):
    connection.context = CONTEXTS.get(name, CONTEXTS[MAIN])


CONTEXTS[MAIN].sni_callback = by_name


def clone(environ, start_response):
    """git's own CGI program; GitHub's repositories have a name with and without ".git"."""
    owner, repository, rest = (environ["PATH_INFO"].strip("/") + "//").split("/", 2)
    variables = {
        "GIT_PROJECT_ROOT": os.path.join(FOLDER, "github.com"),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{owner}/{repository.removesuffix('.git')}.git/{rest.strip('/')}",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "PATH": os.environ["PATH"],
        "REMOTE_ADDR": "127.0.0.1",
    }
    for key in ["REQUEST_METHOD", "QUERY_STRING", "CONTENT_TYPE", "HTTP_CONTENT_ENCODING", "HTTP_GIT_PROTOCOL"]:
        if environ.get(key):
            variables[key] = environ[key]
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])) if environ.get("CONTENT_LENGTH") else b""
    if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
        body = environ["wsgi.input"].read()
    variables["CONTENT_LENGTH"] = str(len(body))
    made = subprocess.run(["git", "http-backend"], input=body, env=variables, stdout=subprocess.PIPE, check=False).stdout
    head, _, body = made.partition(b"\r\n\r\n")
    headers = [tuple(line.split(": ", 1)) for line in head.decode().splitlines() if ": " in line]
    status = dict(headers).pop("Status", "200 OK")
    headers = [header for header in headers if header[0] != "Status"]
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


def application(environ, start_response):
    name = environ.get("HTTP_HOST", "").split(":")[0]
    path = environ["PATH_INFO"]

    def answer(body, status="200 OK", headers=()):
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
        return [body]

    if name == "github.com":
        return clone(environ, start_response)
    if name == "ppa.launchpad.net":
        return answer(b"", "403 Forbidden")
    if name in HOSTS:
        try:
            with open(os.path.join(FOLDER, name, *[part for part in path.split("/") if part not in ("", "..")]), "rb") as file:
                return answer(file.read(), headers=[("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")])
        except OSError:
            return answer(b"", "404 Not Found")
    if name in [SIGNED, *SNI]:
        return answer(name.encode())
    if name == FAIL and environ["wsgi.url_scheme"] == "http":
        return answer(b"", "301 Moved Permanently", [("Location", f"https://{FAIL}{path}")])
    if path == "/ssl_client_verify":
        return answer(b"ansible.http.tests:" + environ["client.verify"].encode())
    if path in FILES:
        return answer(FILES[path])
    return httpbin.app(environ, start_response)


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def make_environ(self):
        environ = super().make_environ()
        tls = isinstance(self.connection, ssl.SSLSocket)
        environ["wsgi.url_scheme"] = "https" if tls else "http"
        environ["client.verify"] = "SUCCESS" if tls and self.connection.getpeercert() else "NONE"
        return environ

    def log(self, *_):
        pass


class Server(ThreadedWSGIServer):
    tls = None

    def finish_request(self, request, address):
        """The handshake belongs to the connection's own thread: a client that waits with it must not stop the others."""
        if self.tls is None:
            return super().finish_request(request, address)
        try:
            with self.tls.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, address)
                connection.unwrap()
        except OSError:
            pass


def listen():
    while True:
        address = "127." + ".".join(str(random.randrange(1, 255)) for _ in range(3))
        servers = []
        try:
            for port in [80, 443, 444]:
                servers.append(Server(address, port, application, Handler))
        except (OSError, SystemExit):
            for server in servers:
                server.server_close()
            continue
        servers[1].tls, servers[2].tls = CONTEXTS[MAIN], context(SIGNED, other)
        return address, servers


address, servers = listen()
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
names = [MAIN, FAIL, SIGNED, *SNI]
if FOLDER:
    authority.cert_pem.write_to_path(os.path.join(FOLDER, "cacert.pem"))
    names += HOSTS
with open(sys.argv[1], "a", encoding="ascii") as hosts:
    hosts.write(f"{address} {' '.join(names)}\n")
servers[0].serve_forever()
