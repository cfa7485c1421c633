#!/bin/sh
# Python on nod: http.server, urllib with threads, asyncio at both ends, and a child that uses what
# its parent opened.
. "$(dirname "$0")/lib.sh"
needs curl
inside 60

# urllib on nod: GET and POST, alone and from eight threads; right when the digests are.
cat >urls.py <<'END'
import concurrent.futures
import hashlib
import sys
import urllib.error
import urllib.request

base, big, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


def digest(data):
    return hashlib.sha256(data).hexdigest()


def get(path):
    with urllib.request.urlopen(base + path, timeout=20) as answer:
        return answer.read()


def small(number):
    return digest(get("/part%d" % (number % 8 + 1)))


with open(big, "rb") as f:
    right = f.read()
assert get("/big") == right, "GET"
assert get("/big?chunked") == right, "GET in chunks"
with urllib.request.urlopen(base + "/up?sha256", data=right, timeout=20) as answer:
    assert answer.read().decode() == digest(right), "POST"
parts = [digest(open("site/part%d" % (n % 8 + 1), "rb").read()) for n in range(count)]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert list(pool.map(small, range(count))) == parts, "threads"
try:
    get("/nothing")
except urllib.error.HTTPError as e:
    print(e.code)
END

# asyncio: an echo server, and a client with many streams that each say other things.
cat >echo.py <<'END'
import asyncio
import random
import sys


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def serve(port):
    server = await asyncio.start_server(echo, None, port)
    await server.serve_forever()


async def stream(host, port, number, size):
    data = random.Random(number).randbytes(size)
    reader, writer = await asyncio.open_connection(host, port)

    async def say():
        for at in range(0, size, 10007):
            writer.write(data[at:at + 10007])
            await writer.drain()
        writer.write_eof()

    saying = asyncio.create_task(say())
    heard = await reader.read()
    await saying
    writer.close()
    await writer.wait_closed()
    return heard == data


async def ask(host, port, streams, size):
    results = await asyncio.wait_for(
        asyncio.gather(*(stream(host, port, n, size) for n in range(streams))), 30)
    sys.exit(0 if all(results) else "streams that differ: %d" % results.count(False))


if sys.argv[1] == "serve":
    asyncio.run(serve(int(sys.argv[2])))
else:
    asyncio.run(ask(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
END

mkdir site
for i in 1 2 3 4 5 6 7 8; do data site/part$i $((i * 9001)); done
"$python" "$here/httpd.py" 8000 site 2>httpd.log &
httpd=$!
"$python" echo.py serve 7000 2>echo.log &
echo=$!
kernel_listening 8000
kernel_listening 7000
echo 404 >right

clients() {
    gives right "$1: urllib" urls "$python" urls.py "http://$1:8000" site/big "$requests"
}

data site/big "$(volume 16000000)"
requests=$(volume 400)
size=$(volume 400000)
clients $kernel4
clients "[$kernel6]"
ends 0 "asyncio over IPv4" streams4 "$python" echo.py $kernel4 7000 20 "$size"
ends 0 "asyncio over IPv6" streams6 "$python" echo.py $kernel6 7000 20 "$size"

serve http "$python" -m http.server --bind :: --directory site 8001
listening 8001
for host in $nod4 "[$nod6]"; do
    peer_gives site/big "$host: http.server" curl -sS --max-time 30 "http://$host:8001/big"
    mkdir got
    curl -sS --max-time 30 -Z --parallel-max 4 "http://$host:8001/part[1-8]" -o got/part#1 \
        2>peer.err
    cp site/big got
    check "$host: http.server, four at once" diff -r site got
    rm -r got
done
finish_server "http.server"

serve asyncio "$python" echo.py serve 7001
listening 7001
check "asyncio serves IPv4" "$python" echo.py $nod4 7001 20 "$size"
check "asyncio serves IPv6" "$python" echo.py $nod6 7001 20 "$size"
finish_server "asyncio"
stop $httpd
stop $echo
finish
