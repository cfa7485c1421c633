/* Processes and their descriptors. */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sys.h"

#define CAPACITY_FIRST 256
#define CAPACITY_MOST (1u << 20)

/* Files. */

static bool table_grow(process *p, unsigned least)
{
    unsigned capacity = p->capacity ? p->capacity : CAPACITY_FIRST;
    while (capacity < least) capacity *= 2;
    if (capacity > CAPACITY_MOST) return false;
    file **files = net_new(capacity * sizeof *files);
    if (!files) return false;
    if (p->capacity) memcpy(files, p->files, p->capacity * sizeof *files);
    /* The old table stays: another thread may be reading it without the lock. Tables double, so
     * all of them together are no larger than the last. */
    __atomic_store_n(&p->files, files, __ATOMIC_RELEASE);
    __atomic_store_n(&p->capacity, capacity, __ATOMIC_RELEASE);
    return true;
}

file *file_at(int fd)
{
    const process *p = nod_here.self;
    if (!p || fd < 0) return NULL;
    if ((unsigned)fd >= __atomic_load_n(&p->capacity, __ATOMIC_ACQUIRE)) return NULL;
    file *f = __atomic_load_n(&p->files, __ATOMIC_ACQUIRE)[fd];
    return f && !f->passed ? f : NULL;
}

bool nod_is_socket(int fd)
{
    const file *f = file_at(fd);
    return f && f->kind == FILE_SOCKET;
}

bool nod_is_epoll(int fd)
{
    const file *f = file_at(fd);
    return f && f->kind == FILE_EPOLL;
}

static bool install_in(process *p, int fd, file *f)
{
    if ((unsigned)fd >= p->capacity && !table_grow(p, (unsigned)fd + 1)) return false;
    p->files[fd] = f;
    return true;
}

bool file_install(int fd, file *f)
{
    return install_in(nod_here.self, fd, f);
}

file *file_remove(int fd)
{
    process *p = nod_here.self;
    if (!p || fd < 0 || (unsigned)fd >= p->capacity) return NULL;
    file *f = p->files[fd];
    p->files[fd] = NULL;
    return f;
}

void file_ref(file *f)
{
    f->refs++;
}

void file_unref(file *f)
{
    if (--f->refs > 0) return;
    switch ((enum file_kind)f->kind) {
    case FILE_SOCKET: socket_free((sock *)(void *)f); break;
    case FILE_EPOLL: epoll_free((epoll *)(void *)f); break;
    }
}

uint32_t file_ready(file *f)
{
    return f->kind == FILE_SOCKET ? socket_ready((sock *)(void *)f)
                                  : epoll_ready((epoll *)(void *)f);
}

/* The kernel's number of what is open as `fd`; 0: none. */
static uint64_t inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* Before anything of this process is handed to another program: the numbers by which that one
 * will know what it got. */
static void learn_inodes(process *p)
{
    for (unsigned fd = 0; fd < p->capacity; fd++) {
        file *f = p->files[fd];
        if (f && f->kind == FILE_SOCKET && !f->inode) f->inode = inode_of((int)fd);
    }
}

static file *file_by_inode(uint64_t inode)
{
    for (ring *at = nod_net->sockets.next; at != &nod_net->sockets; at = at->next) {
        sock *s = ring_entry(at, sock, in_net);
        if (s->file.inode == inode) return &s->file;
    }
    return NULL;
}

/* Processes. */

static process *process_make(pid_t pid, unsigned capacity)
{
    process *p = net_new(sizeof *p);
    if (!p) return NULL;
    p->pid = pid;
    p->made_at = net_now();
    ring_init(&p->in_net);
    ring_init(&p->waiters);
    if (!table_grow(p, capacity)) {
        net_delete(p, sizeof *p);
        return NULL;
    }
    ring_add(&nod_net->processes, &p->in_net);
    return p;
}

process *process_copy(const process *from, pid_t pid)
{
    process *p = process_make(pid, from->capacity);
    if (!p) return NULL;
    memcpy(p->files, from->files, from->capacity * sizeof *p->files);
    for (unsigned fd = 0; fd < p->capacity; fd++)
        if (p->files[fd]) file_ref(p->files[fd]);
    return p;
}

void process_free(process *p)
{
    for (unsigned fd = 0; fd < p->capacity; fd++) {
        file *f = p->files[fd];
        p->files[fd] = NULL;
        if (f) file_unref(f);
    }
    while (!ring_is_empty(&p->waiters)) {
        waiter *w = ring_entry(p->waiters.next, waiter, in_process);
        while (!ring_is_empty(&w->watches))
            watch_remove(ring_entry(w->watches.next, watch, of_owner));
        if (w->asleep) nod_net->asleep--;
        if (nod_net->timekeeper == w) nod_net->timekeeper = NULL;
        ring_remove(&w->in_process);
        net_delete(w, sizeof *w);
    }
    ring_remove(&p->in_net);
    net_delete(p->files, p->capacity * sizeof *p->files);
    net_delete(p, sizeof *p);
}

/* Takes up the sockets among the descriptors that this program was executed with. */
static void adopt_descriptors(process *p)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        int fd = atoi(entry->d_name);
        uint64_t inode = entry->d_name[0] == '.' ? 0 : inode_of(fd);
        file *f = inode ? file_by_inode(inode) : NULL;
        if (f && install_in(p, fd, f)) file_ref(f);
    }
    closedir(dir);
}

process *process_new(pid_t pid)
{
    process *old = NULL;
    for (ring *at = nod_net->processes.next; at != &nod_net->processes; at = at->next)
        if (ring_entry(at, process, in_net)->pid == pid) old = ring_entry(at, process, in_net);
    process *p = process_make(pid, CAPACITY_FIRST);
    if (!p) return NULL;
    adopt_descriptors(p);
    if (old) process_free(old); /* the program that this one took the place of */
    return p;
}

void nod_exec_prepare(void)
{
    if (!nod_here.self || !net_enter()) return;
    learn_inodes(nod_here.self);
    net_leave();
}

void *nod_spawn_prepare(void)
{
    if (!nod_here.self || !net_enter()) return NULL;
    learn_inodes(nod_here.self);
    process *held = process_copy(nod_here.self, 0);
    net_leave();
    return held;
}

void nod_spawned(void *prepared, pid_t pid)
{
    process *held = prepared;
    bool there = pid <= 0;
    if (!held || !net_enter()) return;
    for (ring *at = nod_net->processes.next; at != &nod_net->processes; at = at->next)
        there |= ring_entry(at, process, in_net)->pid == pid;
    /* What the child has taken up by itself already is held twice; else this holds it until then.
     */
    if (there)
        process_free(held);
    else
        held->pid = pid;
    net_leave();
}

/* A socket that is on its way is held by nobody's table. */
void file_send(int fd)
{
    file *f = file_at(fd);
    if (!f || f->kind != FILE_SOCKET) return;
    if (!f->inode) f->inode = inode_of(fd);
    file_ref(f);
}

void file_unsend(int fd)
{
    file *f = file_at(fd);
    if (f && f->kind == FILE_SOCKET) file_unref(f);
}

void file_peek(int fd)
{
    uint64_t inode = inode_of(fd);
    file *f = inode ? file_by_inode(inode) : NULL;
    if (f && file_install(fd, f)) file_ref(f);
}

void file_receive(int fd)
{
    uint64_t inode = inode_of(fd);
    file *f = inode ? file_by_inode(inode) : NULL;
    if (f && !file_install(fd, f)) file_unref(f);
}

/* Descriptors by number. */

static int install_copy(file *f, int fd)
{
    if (fd < 0) return -1;
    file *old = file_remove(fd);
    if (file_install(fd, f)) {
        file_ref(f);
    } else {
        sys_close(fd);
        errno = ENFILE;
        fd = -1;
    }
    if (old) file_unref(old);
    return fd;
}

static int copy_to(int fd, int to, int flags)
{
    if (!nod_net) return sys_dup3(fd, to, flags);
    if (!net_enter()) return -1;
    file *f = file_at(fd);
    int made = sys_dup3(fd, to, flags);
    if (made >= 0 && f) {
        made = install_copy(f, made);
    } else if (made >= 0) {
        file *old = file_remove(made);
        if (old) file_unref(old);
    }
    net_leave();
    return made;
}

int file_dup(int fd, int least, bool cloexec)
{
    int command = cloexec ? F_DUPFD_CLOEXEC : F_DUPFD;
    if (!nod_net) return sys_fcntl(fd, command, (unsigned long)(unsigned)least);
    if (!net_enter()) return -1;
    file *f = file_at(fd);
    int made = sys_fcntl(fd, command, (unsigned long)(unsigned)least);
    if (made >= 0 && f) made = install_copy(f, made);
    net_leave();
    return made;
}

int nod_dup(int fd)
{
    return file_dup(fd, 0, false);
}

int nod_dup3(int fd, int to, int flags)
{
    if (nod_is_private(to)) {
        errno = EBADF; /* as for a number beyond the limit */
        return -1;
    }
    if (fd == to) {
        errno = EINVAL;
        return -1;
    }
    return copy_to(fd, to, flags);
}

int nod_dup2(int fd, int to)
{
    if (fd == to) return sys_fcntl(fd, F_GETFD, 0) < 0 ? -1 : to;
    return nod_dup3(fd, to, 0);
}
