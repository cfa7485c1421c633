#!/bin/sh
# PostgreSQL on nod: the server, with a process for each connection, under pgbench, and pgbench and
# psql as clients. The sums of pgbench's tables must agree, and what COPY takes in comes out.
. "$(dirname "$0")/lib.sh"
for folder in /usr/lib/postgresql/*/bin; do PATH=$PATH:$folder; done
needs postgres initdb pgbench psql setpriv
[ "$(id -u)" = 0 ] || skip "postgres wants a user of its own, which only root can give it"
getent passwd postgres >/dev/null || skip "there is no user postgres"
inside 90

# The server must not be root.
as_user="setpriv --reuid=postgres --regid=postgres --clear-groups"
mkdir db
chown postgres db
$as_user initdb -D db/data -U nod -A trust --no-sync --no-instructions -E UTF8 --locale=C \
    >initdb.log 2>&1 || wrong "initdb"
echo "host all all all trust" >>db/data/pg_hba.conf
cat >>db/data/postgresql.conf <<END
listen_addresses = '*'
unix_socket_directories = '$work/db'
fsync = off
autovacuum = off
shared_buffers = 32MB
END
postgres=$(command -v postgres)
export PGUSER=nod PGDATABASE=postgres PGCONNECT_TIMEOUT=20

# Lines of numbers and noise, as COPY takes them.
rows() {
    "$python" -c 'import random, sys
random.seed(sys.argv[1])
for n in range(int(sys.argv[2])):
    print(n, random.randbytes(random.choice((4, 40, 400))).hex(), sep="\t")' "$seed" "$1"
}

sums="select case when a = h and b = h and t = h then 'equal, after ' || n else 'differ' end from
    (select sum(abalance) a from pgbench_accounts) a,
    (select sum(bbalance) b from pgbench_branches) b,
    (select sum(tbalance) t from pgbench_tellers) t,
    (select coalesce(sum(delta), 0) h, count(*) n from pgbench_history) h"

# asked HOST: what a client on either side says to the server at HOST. In `by`, who is the client.
asked() {
    export PGHOST="$1"
    ends_by 0 "$1: pgbench" bench pgbench -n -c 8 -j 2 -t "$transactions" -M prepared
    done_now=$((done_now + 8 * transactions))
    echo "equal, after $done_now" >right
    gives_by right "$1: the sums" sums psql -Atc "$sums"
    ends_by 0 "$1: COPY in" copyin psql -qc "truncate noise" -c "\\copy noise from rows"
    gives_by rows "$1: COPY out" copyout psql -qc "copy (select * from noise order by n) to stdout"
    unset PGHOST
}

# As `ends` and `gives`, for the client on that side.
ends_by() {
    if [ $by = nod ]; then
        ends "$@"
    else
        local what=$2
        shift 3
        timeout 40 "$@" >peer.out 2>peer.err
        check "$what" [ $? = 0 ]
    fi
}

gives_by() {
    if [ $by = nod ]; then
        gives "$@"
    else
        local file=$1 what=$2
        shift 3
        peer_gives "$file" "$what" timeout 40 "$@"
    fi
}

done_now=0
transactions=$(volume 150)
rows "$(volume 40000)" >rows
by=kernel
serve server $as_user "$postgres" -D db/data
listening 5432
if [ $done_now = 0 ]; then
    PGHOST=$nod4 pgbench -i -q -s 1 >initdb.log 2>&1
    PGHOST=$nod6 psql -qc "create table noise (n int, noise text)"
fi
asked $nod4
asked $nod6
finish_server "postgres"

by=nod
$as_user "$postgres" -D db/data >kernel.log 2>&1 &
peer=$!
kernel_listening 5432
asked $kernel4
asked $kernel6
stop $peer
finish
