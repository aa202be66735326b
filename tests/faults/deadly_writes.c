/* A process that dies, by SIGKILL, at its nth write to a socket (of one peer's TCP port, or of any): before it, in the middle
   of it, or after it. libpq and Python both write by send(). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BEFORE, HALF, AFTER };
static long left;
static int moment, port;

void arm(long number, int when, int peer_port) {
    left = number;
    moment = when;
    port = peer_port;
}

static int meant(int socket) {
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    if (left <= 0) return 0;
    if (port == 0) return 1;
    return getpeername(socket, (struct sockaddr *) &peer, &size) == 0 && peer.sin_family == AF_INET
        && ntohs(peer.sin_port) == port;
}

ssize_t send(int socket, const void *bytes, size_t count, int flags) {
    static ssize_t (*real)(int, const void *, size_t, int);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, int)) dlsym(RTLD_NEXT, "send");
    if (meant(socket) && --left == 0) {
        if (moment == HALF) real(socket, bytes, count / 2, flags);
        if (moment == AFTER) real(socket, bytes, count, flags);
        kill(getpid(), SIGKILL);
    }
    return real(socket, bytes, count, flags);
}
