/* What a socket is as a file: fcntl, ioctl, dup, sendfile, splice and the like. */
#include "calls.h"
#include "states.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <termios.h>
#include <unistd.h>

static int number;

static int *at_first(int value)
{
    number = value;
    return &number;
}

/* A file of 16 octets, at its beginning. */
static int small_file(void)
{
    static FILE *file;
    if (!file) {
        file = tmpfile();
        if (write(fileno(file), "0123456789abcdef", 16) != 16) perror("calls");
    }
    lseek(fileno(file), 0, SEEK_SET);
    return fileno(file);
}

static int fresh_pipe(int which)
{
    static int ends[2] = {-1, -1};
    if (which == 0) {
        if (ends[0] >= 0) close(ends[0]), close(ends[1]);
        if (pipe2(ends, O_NONBLOCK) != 0) return -1;
        if (write(ends[1], "pipe data", 9) != 9) return -1;
    }
    return ends[which];
}

static int pipe_out(void)
{
    return fresh_pipe(0);
}

static int pipe_in(void)
{
    fresh_pipe(0);
    return fresh_pipe(1);
}

static void by_fcntl(void)
{
    EACH(fcntl(fd, F_GETFL));
    EACH(fcntl(fd, F_SETFL, 0));
    EACH(fcntl(fd, F_SETFL, O_NONBLOCK));
    EACH(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
    EACH(fcntl(fd, F_SETFL, O_ASYNC));
    EACH(fcntl(fd, F_GETFD));
    EACH(fcntl(fd, F_SETFD, FD_CLOEXEC));
    EACH(fcntl(fd, F_GETOWN));
    EACH(fcntl(fd, F_SETOWN, 0));
    EACH(fcntl(fd, F_GETSIG));
    EACH(fcntl(fd, F_GETLK, &(struct flock){.l_type = F_RDLCK}));
    EACH(fcntl(fd, F_GETLEASE));
    EACH(fcntl(fd, F_GETPIPE_SZ));
    EACH(fcntl(fd, F_GET_SEALS));
    EACH(fcntl(fd, 9999));
    EACH_OPENS(fcntl(fd, F_DUPFD, 0));
    EACH_OPENS(fcntl(fd, F_DUPFD, 200));
    EACH_OPENS(fcntl(fd, F_DUPFD, -1));
    EACH_OPENS(fcntl(fd, F_DUPFD, 1 << 30));
    EACH_OPENS(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static void by_ioctl(void)
{
    EACH(ioctl(fd, FIONREAD, at_first(-7)), say(" %d", number));
    EACH(ioctl(fd, SIOCOUTQ, at_first(-7)), say(number > 0 ? " some" : " %d", number));
    EACH(ioctl(fd, SIOCOUTQNSD, at_first(-7)), say(number > 0 ? " some" : " %d", number));
    EACH(ioctl(fd, SIOCATMARK, at_first(-7)), say(" %d", number));
    EACH(ioctl(fd, FIONBIO, at_first(0)));
    EACH(ioctl(fd, FIONBIO, at_first(1)));
    EACH(ioctl(fd, FIOASYNC, at_first(0)));
    EACH(ioctl(fd, FIOCLEX));
    EACH(ioctl(fd, FIONCLEX));
    EACH(ioctl(fd, TCGETS, &(struct termios){0}));
    EACH(ioctl(fd, TIOCGWINSZ, &(struct winsize){0}));
    EACH(ioctl(fd, SIOCGPGRP, at_first(-7)), say(" %d", number));
    EACH(ioctl(fd, 0xdead, at_first(0)));
}

static void by_copies(void)
{
    EACH_OPENS(dup(fd));
    EACH_OPENS(dup2(fd, fd));
    EACH_OPENS(dup2(fd, 210));
    EACH_OPENS(dup2(fd, -1));
    EACH_OPENS(dup2(fd, 1 << 30));
    EACH_OPENS(dup3(fd, fd, 0));
    EACH_OPENS(dup3(fd, 211, O_CLOEXEC));
    EACH_OPENS(dup3(fd, 212, 0x1234));
}

static int kind_of(int fd)
{
    struct stat st;
    int rc = fstat(fd, &st);
    return rc ? rc : (int)(st.st_mode & S_IFMT);
}

static void as_file(void)
{
    char buf[16];
    EACH(kind_of(fd));
    EACH(lseek(fd, 0, SEEK_CUR));
    EACH(fsync(fd));
    EACH(fdatasync(fd));
    EACH(ftruncate(fd, 16));
    EACH(isatty(fd));
    EACH(flock(fd, LOCK_SH | LOCK_NB));
    EACH(fchdir(fd));
    EACH(getdents64(fd, buf, sizeof buf));
    EACH(fallocate(fd, 0, 0, 1));
    EACH(posix_fadvise(fd, 0, 1, POSIX_FADV_NORMAL));
    EACH(readahead(fd, 0, 1));
}

static void by_kernel(void)
{
    off_t offset = 2;
    loff_t zero = 0;
    EACH(sendfile(fd, small_file(), NULL, 10));
    EACH(sendfile(fd, small_file(), NULL, 100));
    EACH(sendfile(fd, small_file(), NULL, 0));
    EACH(sendfile(fd, small_file(), (offset = 2, &offset), 5), say(" offset %ld", (long)offset));
    EACH(sendfile(fd, small_file(), (offset = 20, &offset), 5), say(" offset %ld", (long)offset));
    EACH(sendfile(fd, small_file(), (offset = -1, &offset), 5));
    EACH(sendfile(fd, pipe_out(), NULL, 5));
    EACH(sendfile(fd, -1, NULL, 5));
    EACH(sendfile(fd, fd, NULL, 5));
    EACH(sendfile(small_file(), fd, NULL, 5));
    EACH(sendfile(pipe_in(), fd, NULL, 5));
    EACH(splice(pipe_out(), NULL, fd, NULL, 9, SPLICE_F_NONBLOCK));
    EACH(splice(pipe_out(), NULL, fd, NULL, 9, SPLICE_F_MORE));
    EACH(splice(pipe_out(), NULL, fd, NULL, 0, 0));
    EACH(splice(pipe_out(), NULL, fd, &zero, 9, 0));
    EACH(splice(pipe_out(), NULL, fd, NULL, 9, 0x1000));
    EACH(splice(fd, NULL, pipe_in(), NULL, 5, SPLICE_F_NONBLOCK));
    EACH(splice(fd, NULL, pipe_in(), NULL, 100, 0));
    EACH(splice(fd, NULL, pipe_in(), NULL, 0, 0));
    EACH(splice(fd, &zero, pipe_in(), NULL, 5, 0));
    EACH(splice(fd, NULL, fd, NULL, 5, 0));
    EACH(splice(fd, NULL, small_file(), NULL, 5, 0));
    EACH(tee(fd, pipe_in(), 5, 0));
    EACH(copy_file_range(fd, NULL, small_file(), NULL, 5, 0));
}

void calls_files(void)
{
    by_fcntl();
    by_ioctl();
    by_copies();
    as_file();
    by_kernel();
}
