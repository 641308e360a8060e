"""The billing service: JSON over HTTP, from Python's standard library alone.

GET /         what runs here: the commit that the image was built from, and the environment
GET /health   200 when it can answer
GET /gross?net=100&country=DE
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import billing


def answer(path: str) -> tuple[int, dict]:
    """Status and body for a path."""
    url = urlsplit(path)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    if url.path == "/":
        return 200, {
            "service": "billing",
            "commit": os.environ.get("COMMIT", "unknown"),
            "environment": os.environ.get("ENVIRONMENT", "local"),
        }
    if url.path == "/health":
        return 200, {"healthy": True}
    if url.path == "/gross":
        try:
            return 200, billing.gross(query.get("net", ""), query.get("country", ""))
        except billing.Rejected as why:
            return 400, {"error": str(why)}
    return 404, {"error": f"nothing at {url.path}"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = answer(self.path)
        text = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main():
    # As process 1 of a container, nobody else turns the signal of a roll-out into an end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
