"""A real git server for tests and examples: `git http-backend` behind Python's HTTP server, on loopback.

git_server.py FOLDER PORT      serves every repository under FOLDER as http://127.0.0.1:PORT/NAME.git
"""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PIECE = 64 * 1024


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the backend as CGI does (RFC 3875), and streams both ways."""

    protocol_version = "HTTP/1.1"

    def handle_request(self):
        url = urlsplit(self.path)
        body = self.body()
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.server.folder,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        backend = subprocess.Popen(
            ["git", "http-backend"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            backend.stdin.write(body)
            backend.stdin.close()
            self.answer(backend.stdout)
        except BrokenPipeError:
            self.close_connection = True
        finally:
            backend.stdout.close()
            backend.wait()

    do_GET = do_POST = handle_request

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self, output):
        status, headers = 200, []
        while line := output.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        # In chunks, as git's own servers answer: libgit2 does not take the end of a connection for the end of an answer.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := output.read(PIECE):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format, *args):
        sys.stderr.write("%s %s\n" % (self.command, self.path))


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
    server.folder = os.path.abspath(sys.argv[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
