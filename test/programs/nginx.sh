#!/bin/sh
# nginx on nod, two workers: under wrk that looks at each answer, files by sendfile, uploads, new
# workers in the midst of it, and as a proxy to a server on the kernel.
. "$(dirname "$0")/lib.sh"
needs nginx wrk curl
inside 60
resets=$link # wrk goes in the midst of answers

mkdir -p site tmp
for i in 1 2 3 4 5 6 7 8; do data site/part$i $((i * 9001)); done
echo "what nginx says" >site/small
cat >nginx.conf <<END
daemon off;
worker_processes 2;
user root;
pid $work/nginx.pid;
error_log $work/errors.log warn;
events { worker_connections 256; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    client_max_body_size 1g;
    client_body_temp_path $work/tmp/body;
    proxy_temp_path $work/tmp/proxy;
    server {
        listen 8000;
        listen [::]:8000;
        root $work/site;
        location /4/ { proxy_pass http://$kernel4:8001/; }
        location /6/ { proxy_pass http://[$kernel6]:8001/; }
    }
}
END
"$python" "$here/httpd.py" 8001 site 2>httpd.log &
httpd=$!
kernel_listening 8001

# wrk counts an answer as an error if it is not right to the last byte.
cat >look.lua <<'END'
local right = io.open("site/" .. os.getenv("LOOK"), "rb"):read("*a")
local threads = {}
wrongs = 0
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body)
    if status ~= 200 or body ~= right then wrongs = wrongs + 1 end
end
function done(summary, latency, requests)
    local e = summary.errors
    local sum = 0
    for _, thread in ipairs(threads) do sum = sum + thread:get("wrongs") end
    io.write(string.format("answers %d wrong %d connect %d read %d write %d timeout %d\n",
        summary.requests, sum, e.connect, e.read, e.write, e.timeout))
end
END

# under_wrk HOST FILE [OPTIONS...]
under_wrk() {
    url=http://$1:8000/$2
    export LOOK="$2"
    shift 2
    timeout 20 wrk -t 1 -c 32 -d "${duration}s" --timeout 10s "$@" -s look.lua "$url" \
        >wrk.log 2>&1 &&
        grep -q '^answers [1-9][0-9]* wrong 0 connect 0 read 0 write 0 timeout 0$' wrk.log
}

curl="curl -sS --max-time 30"
duration=$((1 * ${NOD_TEST_VOLUME:-1}))
data site/big "$(volume 32000000)"
head -c "$(volume 8000000)" site/big >up
serve nginx nginx -c "$work/nginx.conf"
listening 8000
check "under wrk over IPv4" under_wrk $nod4 small
check "under wrk over IPv6" under_wrk "[$nod6]" part2
for host in $nod4 "[$nod6]"; do
    peer_gives site/big "$host: a file" $curl "http://$host:8000/big"
    mkdir got
    $curl -Z --parallel-immediate "http://$host:8000/part[1-8]" -o got/part#1 2>peer.err
    cp site/big site/small got
    check "$host: eight at once" diff -r site got
    rm -r got
done
peer_gives site/big "a proxy, IPv4 before and IPv6 behind" $curl "http://$nod4:8000/6/big"
sha256sum <up | head -c 64 >digest
peer_gives digest "a proxy, IPv6 before and IPv4 behind" $curl -T up \
    "http://[$nod6]:8000/4/up?sha256"

# New workers take over in the midst of it, and nobody notices.
under_wrk $nod4 part1 -H "Connection: close" &
wrk=$!
sleep 0.3
kill -HUP "$(cat nginx.pid)"
wait $wrk
check "new workers" [ $? = 0 ]
finish_server "nginx"
stop $httpd
finish
