"""The kernel's side of the tests of HTTP clients: files of the folder by GET (chunked with
?chunked), and by PUT or POST the body comes back
(its digest with ?sha256). HTTP/1.1, both families, a thread each."""
import hashlib
import http.server
import os
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        try:
            source = open("." + path + ("index.html" if path.endswith("/") else ""), "rb")
        except OSError:
            self.send_error(404)
            return
        with source:
            size = os.fstat(source.fileno()).st_size
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if path.endswith(("/", ".html"))
                             else "application/octet-stream")
            if query == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while piece := source.read(5000):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.send_header("Content-Length", str(size))
                self.end_headers()
                self.connection.sendfile(source)

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256() if self.path.endswith("?sha256") else None
        if not digest:
            self.send_response(200)
            self.send_header("Content-Length", str(left))
            self.end_headers()
        while left:
            piece = self.rfile.read1(min(left, 1 << 16))
            if not piece:
                return
            digest.update(piece) if digest else self.wfile.write(piece)
            left -= len(piece)
        if digest:
            self.send_response(200)
            self.send_header("Content-Length", "64")
            self.end_headers()
            self.wfile.write(digest.hexdigest().encode())

    do_POST = do_PUT


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 64

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        http.server.HTTPServer.server_bind(self)


os.chdir(sys.argv[2])
Server(("::", int(sys.argv[1])), Handler).serve_forever()
