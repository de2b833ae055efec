/* What it can connect to. Targets are words: tcp/ADDRESS/PORT, udp/ADDRESS/PORT, icmp/ADDRESS. */
#include "base.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <time.h>

#define TARGETS_MAX 256
#define REACH_MS 1500
#define ECHO_PORT 8080

struct target { const char *word; int fd; int kind; char outcome[24]; };
enum { TCP, UDP, ICMP };

static socklen_t address_of(const char *host, int port, struct sockaddr_storage *out) {
  struct sockaddr_in *v4 = (void *)out;
  struct sockaddr_in6 *v6 = (void *)out;
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1) return 0;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  return sizeof *v6;
}

static void refused(struct target *target) {
  snprintf(target->outcome, sizeof target->outcome, "%d", errno);
  if (target->fd >= 0) close(target->fd);
  target->fd = -1;
}

static void begin(struct target *target) {
  char kind[8] = "", host[64] = "";
  int port = 0;
  sscanf(target->word, "%7[a-z]/%63[^/]/%d", kind, host, &port);
  target->kind = !strcmp(kind, "tcp") ? TCP : !strcmp(kind, "udp") ? UDP : ICMP;
  struct sockaddr_storage to;
  socklen_t size = address_of(host, port, &to);
  int type = target->kind == TCP ? SOCK_STREAM : SOCK_DGRAM;
  int protocol = target->kind != ICMP ? 0 : to.ss_family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  target->fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (target->fd < 0) return refused(target);
  if (connect(target->fd, (void *)&to, size) < 0 && errno != EINPROGRESS) return refused(target);
  static const unsigned char PING[16] = {8}, PING6[16] = {128};
  if (target->kind == UDP && send(target->fd, "arc", 3, 0) < 0) return refused(target);
  if (target->kind == ICMP && send(target->fd, to.ss_family == AF_INET6 ? PING6 : PING, 16, 0) < 0) refused(target);
}

static void settle(struct target *target) {
  int error = 0;
  socklen_t size = sizeof error;
  char answer[64];
  getsockopt(target->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (target->kind != TCP && error == 0 && recv(target->fd, answer, sizeof answer, 0) < 0) error = errno;
  if (error == EAGAIN) return;
  if (error) snprintf(target->outcome, sizeof target->outcome, "%d", error);
  else snprintf(target->outcome, sizeof target->outcome, target->kind == TCP ? "connected" : "answered");
  close(target->fd);
  target->fd = -1;
}

static long now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000L + time.tv_nsec / 1000000;
}

/* All at once, so that those that are dropped cost one wait together. */
static void reach(char *const *words, int count) {
  static struct target targets[TARGETS_MAX];
  struct pollfd polled[TARGETS_MAX];
  if (count > TARGETS_MAX) count = TARGETS_MAX;
  for (int i = 0; i < count; i++) {
    targets[i] = (struct target){.word = words[i], .fd = -1, .outcome = "silent"};
    begin(&targets[i]);
  }
  for (long end = now_ms() + REACH_MS, left; (left = end - now_ms()) > 0;) {
    int open = 0;
    for (int i = 0; i < count; i++) {
      polled[i] = (struct pollfd){.fd = targets[i].fd, .events = targets[i].kind == TCP ? POLLOUT : POLLIN};
      open += targets[i].fd >= 0;
    }
    if (open == 0) break;
    if (poll(polled, count, left) <= 0) break;
    for (int i = 0; i < count; i++) if (targets[i].fd >= 0 && polled[i].revents) settle(&targets[i]);
  }
  for (int i = 0; i < count; i++) {
    fact2("reach", targets[i].word, targets[i].outcome);
    if (targets[i].fd >= 0) close(targets[i].fd);
  }
}

/* The neighbour: whoever comes is let in and told so. */
static void serve(void) {
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(ECHO_PORT)};
  struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(ECHO_PORT)};
  struct pollfd fds[4];
  int on = 1, kinds[] = {SOCK_STREAM, SOCK_DGRAM};
  for (int i = 0; i < 4; i++) {
    int v6 = i / 2, fd = socket(v6 ? AF_INET6 : AF_INET, kinds[i % 2] | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    int bound = v6 ? bind(fd, (void *)&any, sizeof any) : bind(fd, (void *)&any4, sizeof any4);
    fds[i] = (struct pollfd){.fd = bound < 0 ? -1 : fd, .events = POLLIN};
    if (bound == 0 && i % 2 == 0) listen(fd, 64);
  }
  fact("serving", "yes");
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    if (poll(fds, 4, -1) < 0) continue;
    for (int i = 0; i < 4; i++) {
      if (fds[i].fd < 0 || !(fds[i].revents & POLLIN)) continue;
      struct sockaddr_storage from;
      socklen_t size = sizeof from;
      char text[64];
      if (i % 2 == 0) {
        int client = accept(fds[i].fd, 0, 0);
        if (client >= 0) close(client);
      } else {
        ssize_t got = recvfrom(fds[i].fd, text, sizeof text, 0, (void *)&from, &size);
        if (got >= 0) sendto(fds[i].fd, text, got, 0, (void *)&from, size);
      }
    }
  }
}
