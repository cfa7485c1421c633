"""Octets in bulk, and what TCP_INFO says of them.
bulk.py serve FILE: on port 8000; tells FILE "ready", and of each connection that it sent to what
went wrong, or "whole". bulk.py put ADDRESS OCTETS: sends so many, and says whether they came whole,
and what was sent again and told of as a duplicate. bulk.py get ADDRESS OCTETS: whether they came."""
import hashlib
import socket
import struct
import sys
import time


def octets(count):
    return hashlib.shake_128(b"seed %d" % count).digest(count)


def take(conn, count):
    took = bytearray()
    while len(took) < count and (some := conn.recv(min(count - len(took), 1 << 16))):
        took += some
    return bytes(took)


def counters(conn):
    info = conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    again, = struct.unpack_from("I", info, 100)
    duplicates, reordered = struct.unpack_from("II", info, 216)
    return "again %d, duplicates %d, reordered %d" % (again, duplicates, reordered)


def serve(path):
    listener = socket.create_server(("", 8000))
    with open(path, "w", buffering=1) as told:
        told.write("ready\n")
        while True:
            conn, _ = listener.accept()
            with conn:
                what, count = struct.unpack("!4sI", take(conn, 8))
                if what == b"put ":
                    conn.sendall(b"whole" if take(conn, count) == octets(count) else b"wrong")
                    conn.recv(1)
                else:
                    conn.sendall(octets(count))
                    conn.recv(1)
                    told.write(counters(conn) + "\n")


def ask(what, address, count):
    with socket.create_connection((address, 8000)) as conn:
        if what == "put":
            conn.sendall(struct.pack("!4sI", b"put ", count) + octets(count))
            answer = take(conn, 5).decode()
            time.sleep(0.1)  # a duplicate may still be told of
            print(answer + ", " + counters(conn))
        else:
            conn.sendall(struct.pack("!4sI", b"get ", count))
            print("whole" if take(conn, count) == octets(count) else "wrong")


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    ask(sys.argv[1], sys.argv[2], int(sys.argv[3]))
