/* A look into a program's file: ELF's head, and the first line of a script. */
#include "nod/program.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPTS_MAX 5 /* interpreters that are scripts themselves: the kernel goes no deeper */
#define LINE_MAX_BYTES 256
#define NOBODY 65534 /* what a user namespace shows of users that it does not know */

typedef struct file {
    int fd;
    size_t head_len;
    union {
        char text[LINE_MAX_BYTES];
        ElfW(Ehdr) elf;
    } head;
} file;

/* A right that comes with the file makes the loader careful; one that we have already, not. */
static bool is_privileged(const file *f)
{
    struct stat what;
    if (fstat(f->fd, &what) != 0) return false;
    if (what.st_mode & S_ISUID && what.st_uid != geteuid() && what.st_uid != NOBODY) return true;
    bool group = what.st_mode & S_ISGID && what.st_mode & S_IXGRP;
    if (group && what.st_gid != getegid() && what.st_gid != NOBODY) return true;
    return geteuid() != 0 && fgetxattr(f->fd, "security.capability", NULL, 0) > 0;
}

/* The machine that this very code is for. */
static unsigned own_machine(void)
{
#if defined(__x86_64__)
    return EM_X86_64;
#elif defined(__aarch64__)
    return EM_AARCH64;
#elif defined(__riscv)
    return EM_RISCV;
#elif defined(__i386__)
    return EM_386;
#elif defined(__arm__)
    return EM_ARM;
#elif defined(__powerpc64__)
    return EM_PPC64;
#elif defined(__s390x__)
    return EM_S390;
#else
    return EM_NONE;
#endif
}

/* The loader's path, cut when it is long. False: there is none. */
static bool find_loader(const file *f, char loader[LINE_MAX_BYTES])
{
    ElfW(Phdr) part;
    for (unsigned i = 0; i < f->head.elf.e_phnum; i++) {
        off_t at = (off_t)(f->head.elf.e_phoff + (size_t)i * f->head.elf.e_phentsize);
        if (pread(f->fd, &part, sizeof part, at) != sizeof part) return false;
        if (part.p_type != PT_INTERP) continue;
        ssize_t got = pread(f->fd, loader, LINE_MAX_BYTES - 1, (off_t)part.p_offset);
        if (got < 0) return false;
        if ((size_t)got > part.p_filesz) got = (ssize_t)part.p_filesz;
        loader[got] = 0;
        return true;
    }
    return false;
}

static enum nod_program look_at_elf(const file *f)
{
    char loader[LINE_MAX_BYTES];
    if (f->head_len < sizeof f->head.elf) return NOD_PROGRAM_FINE;
    int bits = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    if (f->head.elf.e_ident[EI_CLASS] != bits) return NOD_PROGRAM_FOREIGN;
    if (own_machine() != EM_NONE && f->head.elf.e_machine != own_machine())
        return NOD_PROGRAM_FOREIGN;
    if (!find_loader(f, loader)) return NOD_PROGRAM_STATIC;
    if (strstr(loader, "ld-musl")) return NOD_PROGRAM_FOREIGN;
    return is_privileged(f) ? NOD_PROGRAM_PRIVILEGED : NOD_PROGRAM_FINE;
}

/* The interpreter in "#! /path argument". False when there is none. */
static bool take_interpreter(const file *f, char path[LINE_MAX_BYTES])
{
    const char *at = f->head.text + 2, *end = f->head.text + f->head_len;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    size_t len = 0;
    while (at + len < end && !strchr(" \t\n", at[len])) len++;
    if (len == 0 || len >= LINE_MAX_BYTES) return false;
    memcpy(path, at, len);
    path[len] = 0;
    return true;
}

static enum nod_program look(const char *path, char *culprit, int depth)
{
    char interpreter[LINE_MAX_BYTES];
    file f = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    enum nod_program kind = NOD_PROGRAM_FINE;
    bool script = false;
    if (f.fd < 0) return NOD_PROGRAM_FINE;
    ssize_t got = pread(f.fd, &f.head, sizeof f.head, 0);
    f.head_len = got > 0 ? (size_t)got : 0;
    if (f.head_len > 4 && memcmp(f.head.text, ELFMAG, SELFMAG) == 0)
        kind = look_at_elf(&f);
    else if (f.head_len > 2 && memcmp(f.head.text, "#!", 2) == 0)
        script = take_interpreter(&f, interpreter);
    close(f.fd);
    if (script && depth < SCRIPTS_MAX) return look(interpreter, culprit, depth + 1);
    if (kind != NOD_PROGRAM_FINE) snprintf(culprit, PATH_MAX, "%s", path);
    return kind;
}

enum nod_program nod_program_look(const char *path, char *culprit)
{
    *culprit = 0;
    return look(path, culprit, 0);
}

const char *nod_program_words(enum nod_program kind)
{
    switch (kind) {
    case NOD_PROGRAM_FINE: break;
    case NOD_PROGRAM_STATIC: return "is linked statically";
    case NOD_PROGRAM_PRIVILEGED:
        return "runs with more rights than you have (set-user-ID, set-group-ID or capabilities)";
    case NOD_PROGRAM_FOREIGN: return "is for another kind of machine or another C library";
    }
    return "is fine";
}
