#!/bin/sh
# curl on nod: down, up and both at once, many at a time, and a server that is not there.
. "$(dirname "$0")/lib.sh"
needs curl
inside 60

mkdir site
for i in 1 2 3 4 5 6 7 8; do data site/part$i $((i * 9001)); done
cat site/part? >parts
cat site/part1 site/part2 >two
"$python" "$here/httpd.py" 8000 site 2>httpd.log &
httpd=$!
kernel_listening 8000
curl="curl -sS --max-time 30"

transfers() {
    url=http://$1:8000
    data site/big "$(volume 32000000)"
    head -c "$(volume 8000000)" site/big >up
    gives site/big "$1: down" get $curl "$url/big"
    gives two "$1: chunks, twice on one connection" chunked $curl "$url/part1?chunked" \
        "$url/part2?chunked"
    gives up "$1: up and down at once" put $curl -T up "$url/echo"
    mkdir parallel
    ends 0 "$1: eight at once" parallel $curl -Z --parallel-immediate -o "parallel/#1" \
        "$url/part[1-8]"
    cat parallel/? >parallel.all
    check "$1: eight right ones" same parallel.all parts
    rm -r parallel
}

transfers $kernel4
transfers "[$kernel6]"
ends 7 "refused over IPv4" refused $curl "http://$kernel4:9/"
ends 7 "refused over IPv6" refused $curl "http://[$kernel6]:9/"
kill $httpd
finish
