/* fsync and fdatasync that fail as a broken disk's do, while the file FLAG exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

static int broken(void) { return access(FLAG, F_OK) == 0; }

int fsync(int file) {
    static int (*real)(int);
    if (broken()) { errno = EIO; return -1; }
    if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    return real(file);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (broken()) { errno = EIO; return -1; }
    if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    return real(file);
}
