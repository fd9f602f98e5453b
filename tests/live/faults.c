/* Loaded before libc (LD_PRELOAD) into a gateway under test. What it does is steered by the files in $FAULTS:
 *   syncs   gets one octet for each fsync and fdatasync
 *   full    while it is there, nothing more can be written at a place of a file (SQLite does; logs do not)
 *   readonly  while it is there, a file NAME.db cannot be opened for writing
 *   clock   seconds to add to the wall clock; the monotonic clock stays
 *   die     "log" kills with SIGKILL instead of the next write to a file NAME-wal; hexadecimal octets, instead of sending
 *           what has them to a socket. It is gone once that was done.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *path(const char *name, char *into)
{
    const char *folder = getenv("FAULTS");
    snprintf(into, 4096, "%s/%s", folder ? folder : "/nonexistent", name);
    return into;
}

static void count(void)
{
    char name[4096];
    int file = open(path("syncs", name), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0) return;
    if (write(file, ".", 1) < 0) perror("faults");
    close(file);
}

int fsync(int fd) { count(); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { count(); return syscall(SYS_fdatasync, fd); }

static int on(const char *what, int error)
{
    char name[4096];
    if (access(path(what, name), F_OK)) return 0;
    errno = error;
    return 1;
}

static int full(void) { return on("full", ENOSPC); }

static int opened(const char *name, int flags, va_list more)
{
    size_t n = strlen(name);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, int) : 0;
    if ((flags & O_ACCMODE) != O_RDONLY && n > 3 && !strcmp(name + n - 3, ".db") && on("readonly", EACCES)) return -1;
    return syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int file = opened(name, flags, more);
    va_end(more);
    return file;
}

int open64(const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int file = opened(name, flags | O_LARGEFILE, more);
    va_end(more);
    return file;
}

static int doom(char *into, size_t room)
{
    char name[4096];
    int file = open(path("die", name), O_RDONLY);
    if (file < 0) return 0;
    ssize_t n = read(file, into, room - 1);
    close(file);
    into[n < 0 ? 0 : n] = 0;
    return n > 0;
}

static void die(void)
{
    char name[4096];
    unlink(path("die", name));
    kill(getpid(), SIGKILL);
    pause();
}

static void written(int fd)
{
    char how[256], link[64], name[4096];
    if (!doom(how, sizeof how) || strcmp(how, "log")) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name);
    if (n > 4 && !memcmp(name + n - 4, "-wal", 4)) die();
}

static void sent(const void *p, size_t n)
{
    char how[256];
    unsigned char octets[128];
    size_t length = 0;
    if (!doom(how, sizeof how)) return;
    while (length < sizeof octets && sscanf(how + 2 * length, "%2hhx", octets + length) == 1) length++;
    if (length && memmem(p, n, octets, length)) die();
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    sent(p, n);
    return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

static ssize_t put(int fd, const void *p, size_t n, off64_t at)
{
    written(fd);
    return full() ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { return put(fd, p, n, at); }
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) { return put(fd, p, n, at); }

static long ahead(void)
{
    char name[4096], text[32] = "";
    int file = open(path("clock", name), O_RDONLY);
    if (file < 0) return 0;
    if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
    close(file);
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = syscall(SYS_clock_gettime, clock, now);
    if (!result && clock == CLOCK_REALTIME) now->tv_sec += ahead();
    return result;
}
