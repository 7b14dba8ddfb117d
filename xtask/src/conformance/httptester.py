"""What ansible-core's suite expects behind `needs/httptester`: httpbin and some TLS hosts with authorities of their own.

Source of the behaviour: the hosts, ports and paths that the suite's targets ask for (get_url, uri, lookup_url,
prepare_http_tests). Listens on an address of 127.0.0.0/8 that is free, and appends its names to the hosts file (argument 1), which
is also how a caller knows that it is ready. Kerberos is not served.
"""

import random
import ssl
import sys
import threading

import httpbin
import trustme
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

MAIN, FAIL, SIGNED = "ansible.http.tests", "fail.ansible.http.tests", "self-signed.ansible.http.tests"
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


CONTEXTS = {name: context(name, authority) for name in [MAIN, *SNI]}


def by_name(connection, name, _):
    connection.context = CONTEXTS.get(name, CONTEXTS[MAIN])


CONTEXTS[MAIN].sni_callback = by_name


def application(environ, start_response):
    name = environ.get("HTTP_HOST", "").split(":")[0]
    path = environ["PATH_INFO"]

    def answer(body, status="200 OK", headers=()):
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
        return [body]

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
with open(sys.argv[1], "a", encoding="ascii") as hosts:
    hosts.write(f"{address} {' '.join([MAIN, FAIL, SIGNED, *SNI])}\n")
servers[0].serve_forever()
