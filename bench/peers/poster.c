/*
 * poster - posts messages to the gateway's HTTP interface over keep-alive connections, loopback only.
 *
 *   cc -O2 -o poster poster.c
 *   ./poster --port 8081 --key KEY --count 100000 --list 100 --conc 4
 *
 * Each of --conc processes has one connection and one request on its way. A request holds --list messages, each to a
 * number of its own from --to-base on; --list 0 posts one object instead of a list. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(s, (struct sockaddr *)&a, sizeof a) != 0) { perror("poster: connect"); exit(1); }
    return s;
}

/* One answer: its status, its body read to the end by Content-Length. */
static int answer(int s)
{
    static char buf[1 << 20];
    size_t have = 0;
    for (;;) {
        ssize_t n = read(s, buf + have, sizeof buf - 1 - have);
        if (n <= 0) return -1;
        have += (size_t)n;
        buf[have] = 0;
        char *end = strstr(buf, "\r\n\r\n");
        if (!end) continue;
        char *length = strcasestr(buf, "\r\nContent-Length:");
        if (!length || length > end) return -1;
        if (have >= (size_t)(end + 4 - buf) + (size_t)atol(length + 17)) return atoi(buf + 9);
    }
}

int main(int argc, char **argv)
{
    int port = 8081, conc = 4, list = 100;
    long count = 10000;
    unsigned long long base = 8613800000000ull;
    const char *key = "", *path = "/v1/messages", *text = "notice";
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *o = argv[i], *v = argv[i + 1];
        if (!strcmp(o, "--port")) port = atoi(v);
        else if (!strcmp(o, "--conc")) conc = atoi(v);
        else if (!strcmp(o, "--list")) list = atoi(v);
        else if (!strcmp(o, "--count")) count = atol(v);
        else if (!strcmp(o, "--to-base")) base = strtoull(v, 0, 10);
        else if (!strcmp(o, "--key")) key = v;
        else if (!strcmp(o, "--path")) path = v;
        else if (!strcmp(o, "--text")) text = v;
        else { fprintf(stderr, "poster: no such option: %s\n", o); return 2; }
    }
    long *ok = mmap(0, sizeof(long) * 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double began = now();
    for (int c = 0; c < conc; c++) {
        if (fork()) continue;
        int s = dial(port);
        size_t room = 512 + (size_t)(list ? list : 1) * (strlen(text) + 64);
        char *body = malloc(room), *request = malloc(room + 512);
        for (long at = count * c / conc, end = count * (c + 1) / conc; at < end;) {
            char *p = body;
            int n = 0;
            if (list) *p++ = '[';
            do {
                p += sprintf(p, "%s{\"to\":\"+%llu\",\"text\":\"%s\"}", n ? "," : "", base + (unsigned long long)at++, text);
            } while (++n < list && at < end);
            if (list) *p++ = ']';
            size_t size = (size_t)(p - body);
            int head = sprintf(request,
                "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", path, key, size);
            memcpy(request + head, body, size);
            for (size_t sent = 0; sent < head + size;) {
                ssize_t w = write(s, request + sent, head + size - sent);
                if (w <= 0) { perror("poster: write"); _exit(1); }
                sent += (size_t)w;
            }
            int status = answer(s);
            if (status == 202) __atomic_add_fetch(&ok[0], n, __ATOMIC_RELAXED);
            else { __atomic_add_fetch(&ok[1], n, __ATOMIC_RELAXED); if (status < 0) _exit(1); }
            if (status == 503) { usleep(20000); at -= n; }
        }
        _exit(0);
    }
    while (wait(0) > 0) {}
    double seconds = now() - began;
    printf("{\"accepted\":%ld,\"refused\":%ld,\"seconds\":%.4f,\"rate\":%.1f}\n", ok[0], ok[1], seconds, ok[0] / seconds);
    return 0;
}
