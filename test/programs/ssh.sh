#!/bin/sh
# OpenSSH on nod: scp of 256 MiB there and back, with ssh on nod and then with sshd on nod; and a
# shell that answers.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
needs scp ssh sshd ssh-keygen
[ "$(id -u)" = 0 ] || skip "sshd wants to be root"
getent passwd sshd >/dev/null || skip "there is no user sshd"
inside 100

# sshd wants this folder; it comes and goes with the namespace.
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
ssh-keygen -q -t ed25519 -N "" -f host_key
ssh-keygen -q -t ed25519 -N "" -f user_key
cat >sshd_config <<END
Port 2222
HostKey $work/host_key
AuthorizedKeysFile $work/user_key.pub
StrictModes no
PidFile none
PermitRootLogin yes
PrintMotd no
Subsystem sftp internal-sftp
END
cat >ssh_config <<END
IdentityFile $work/user_key
IdentitiesOnly yes
UserKnownHostsFile $work/known_hosts
StrictHostKeyChecking accept-new
User root
Port 2222
BatchMode yes
ConnectTimeout 20
LogLevel ERROR
END
sshd="$(command -v sshd) -D -e -f $work/sshd_config"

# copies WHAT HOST COMMAND...: there and back by scp, which is run by the COMMAND.
copies() {
    local what=$1 host=$2
    shift 2
    rm -f there back
    "$@" scp -q -F ssh_config big "[$host]:$work/there" >scp.log 2>&1
    check "$what: there" same there big
    "$@" scp -q -F ssh_config "[$host]:$work/there" back >scp.log 2>&1
    check "$what: and back" same back big
    rm -f there back
    echo "said here, heard there" >words
    "$@" ssh -F ssh_config "$host" cat <words >heard 2>ssh.log
    check "$what: a command's input and output" same heard words
}

on_kernel() {
    timeout 60 "$@"
}

client_on_nod() {
    client ssh "$@"
    cat ssh.out
    cat ssh.err >&2
    return $code
}

for family in 4 6; do
    case $family in
    4) server_host=$nod4 peer_host=$kernel4 bytes=268435456 ;;
    6) server_host=$nod6 peer_host=$kernel6 bytes=20000000 ;;
    esac
    [ -z "$link" ] || bytes=20000000
    data big "$(volume $bytes)"
    $sshd 2>peer.log &
    peer=$!
    kernel_listening 2222
    copies "ssh on nod, IPv$family" $peer_host client_on_nod
    stop $peer
    # shellcheck disable=SC2086
    serve sshd $sshd
    listening 2222
    copies "sshd on nod, IPv$family" $server_host on_kernel
    finish_server "sshd"
done
finish
