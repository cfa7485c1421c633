/* nod/program.h: whether a program that exists can have nod's TCP put beneath it, which needs a
 * loader that preloads: a dynamically linked program for this machine and this C library, that
 * has no more rights than who runs it. In libnod-posix. */
#ifndef NOD_PROGRAM_H
#define NOD_PROGRAM_H

#ifdef __cplusplus
extern "C" {
#endif

enum nod_program {
    NOD_PROGRAM_FINE,       /* or not to be read, so that nothing is known against it */
    NOD_PROGRAM_STATIC,     /* without a loader, which could preload */
    NOD_PROGRAM_PRIVILEGED, /* set-user-ID and its kin: the loader preloads nothing into them */
    NOD_PROGRAM_FOREIGN,    /* for another machine, or another C library */
};

/* Looks at the file, and for a script at its interpreter. Unless it is fine, culprit[PATH_MAX]
 * gets the path of the one that is not. May be called between fork and exec. */
enum nod_program nod_program_look(const char *path, char *culprit);

/* "is linked statically": in English, after the path. */
const char *nod_program_words(enum nod_program kind);

#ifdef __cplusplus
}
#endif
#endif
