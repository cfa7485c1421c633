"""A peer on the kernel: peer.py PORT FILE. The first line of a connection says what it does:
"echo" sends back all that comes, "slow" reads to the end in small pieces and writes how much it
was to the file. The file gets a line "from ADDRESS" for each connection."""
import socket
import sys
import threading
import time


def serve(conn, address, told):
    told.write("from %s\n" % address[0].replace("::ffff:", ""))
    with conn:
        words = conn.makefile("rwb", buffering=0)
        what = words.readline()
        count = 0
        try:
            while data := conn.recv(20000):
                count += len(data)
                if what == b"echo\n":
                    conn.sendall(data)
                else:
                    time.sleep(0.005)
        except ConnectionError:
            pass
    if what != b"echo\n":
        told.write("slow %d\n" % count)


listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("::", int(sys.argv[1])))
listener.listen()
told = open(sys.argv[2], "w", buffering=1)
while True:
    threading.Thread(target=serve, args=(*listener.accept(), told), daemon=True).start()
