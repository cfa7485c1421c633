#!/bin/sh
# wget on nod: a large file, a site of many small ones, and a download that goes on where it was cut.
. "$(dirname "$0")/lib.sh"
needs wget nginx
inside 60

mkdir -p site/more
data site/big "$(volume 32000000)"
for i in 1 2 3 4 5 6 7 8 9 10; do
    data site/more/$i.bin $((i * 3001))
    echo "<a href=\"more/$i.bin\">$i</a>"
done >site/index.html

# nginx answers ranges.
cat >nginx.conf <<END
daemon off; pid $work/nginx.pid; error_log $work/nginx.log; user root;
events { }
http {
    access_log off;
    server { listen 8000; listen [::]:8000; root $work/site; }
}
END
nginx -c "$work/nginx.conf" &
nginx=$!
kernel_listening 8000

wget="wget -q -T 20 -t 1"

transfers() {
    url=http://$1:8000
    size=$(volume 32000000)
    data site/big "$size"
    gives site/big "$1: down" get $wget -O - "$url/big"
    head -c $((size / 3)) site/big >half
    ends 0 "$1: what is left of it" rest $wget -c -O half "$url/big"
    check "$1: that fits" same half site/big
    rm site/big
    ends 0 "$1: a site" site $wget -r -nH -P copy "$url/"
    rm -f copy/robots.txt
    check "$1: that is whole" diff -r site copy
    rm -r copy
}

transfers $kernel4
transfers "[$kernel6]"
ends 8 "what is not there" missing $wget "http://$kernel4:8000/nothing"
stop $nginx
finish
