#!/bin/sh
# Node on nod: its http server, also with two processes on one port, and its http client with
# keep-alive and without.
. "$(dirname "$0")/lib.sh"
needs node curl
inside 60

# By GET a file; by POST the body comes back while it goes up. With workers, as many processes
# on one listening socket.
cat >server.js <<'END'
const cluster = require('cluster');
const fs = require('fs');
const http = require('http');
const [port, workers] = process.argv.slice(2).map(Number);
if (workers && cluster.isPrimary) {
    for (let i = 0; i < workers; i++) cluster.fork();
    process.on('SIGTERM', () => {
        for (const worker of Object.values(cluster.workers)) worker.kill();
        process.exit(0);
    });
} else {
    http.createServer((request, response) => {
        if (request.method === 'POST') {
            request.pipe(response);
            return;
        }
        const path = 'site' + request.url;
        fs.stat(path, (error, stat) => {
            if (error) {
                response.writeHead(404).end();
                return;
            }
            response.writeHead(200, { 'Content-Length': stat.size });
            fs.createReadStream(path).pipe(response);
        });
    }).listen(port, '::');
}
END

cat >client.js <<'END'
const assert = require('assert');
const fs = require('fs');
const http = require('http');
const [host, port, count] = process.argv.slice(2);

function ask(path, agent, body) {
    return new Promise((resolve, reject) => {
        const method = body ? 'POST' : 'GET';
        const headers = body ? { 'Content-Length': body.length } : {};
        const request = http.request({ host, port, path, agent, method, headers }, (answer) => {
            const pieces = [];
            answer.on('data', (piece) => pieces.push(piece));
            answer.on('end', () => resolve(Buffer.concat(pieces)));
            answer.on('error', reject);
        });
        request.on('error', reject);
        request.setTimeout(20000, () => request.destroy(new Error('timeout: ' + path)));
        request.end(body);
    });
}

async function main() {
    const big = fs.readFileSync('site/big');
    assert(big.equals(await ask('/big')), 'GET');
    assert(big.equals(await ask('/echo', undefined, big)), 'POST');
    for (const keepAlive of [true, false]) {
        const agent = new http.Agent({ keepAlive, maxSockets: 8 });
        const answers = [];
        for (let i = 0; i < count; i++) answers.push(ask('/part' + (i % 8 + 1), agent));
        (await Promise.all(answers)).forEach((data, i) =>
            assert(data.equals(fs.readFileSync('site/part' + (i % 8 + 1))), 'part ' + i));
        agent.destroy();
    }
    console.log('right');
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
END

mkdir site
for i in 1 2 3 4 5 6 7 8; do data site/part$i $((i * 9001)); done
"$python" "$here/httpd.py" 8000 site 2>httpd.log &
httpd=$!
kernel_listening 8000
echo right >right

served() {
    for host in $nod4 "[$nod6]"; do
        peer_gives site/big "$host: $1, down" curl -sS --max-time 30 "http://$host:8001/big"
        peer_gives site/big "$host: $1, up and down" curl -sS --max-time 30 --data-binary @site/big \
            "http://$host:8001/echo"
        mkdir got
        curl -sS --max-time 30 -Z --parallel-immediate "http://$host:8001/part[1-8]" -o got/part#1 \
            2>peer.err
        cp site/big got
        check "$host: $1, eight at once" diff -r site got
        rm -r got
    done
    finish_server "$1"
}

data site/big "$(volume 16000000)"
requests=$(volume 400)
gives right "http client over IPv4" client4 node client.js $kernel4 8000 "$requests"
gives right "http client over IPv6" client6 node client.js $kernel6 8000 "$requests"
serve server node server.js 8001
listening 8001
served "http server"
serve cluster node server.js 8001 2
listening 8001
served "http server of two processes"
stop $httpd
finish
