/*
 * Tries all targets at once and prints those that answered, one a line: ADDRESS:PORT by TCP, udp:ADDRESS:PORT, icmp:ADDRESS.
 * Connections are held open until every target was tried.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 2000
#define TRIES 4

static struct sockaddr_in address(const char *text) {
  char host[64];
  struct sockaddr_in to = {.sin_family = AF_INET};
  const char *colon = strchr(text, ':');
  snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - text) : 63, text);
  to.sin_port = htons((unsigned short)(colon ? atoi(colon + 1) : 0));
  inet_pton(AF_INET, host, &to.sin_addr);
  return to;
}

static int connects(const char *text) {
  struct sockaddr_in to = address(text);
  struct pollfd answer = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .events = POLLOUT};
  int failed = 1;
  socklen_t size = sizeof failed;
  if (connect(answer.fd, (void *)&to, sizeof to) && errno != EINPROGRESS) return 0;
  if (poll(&answer, 1, WAIT_MS) == 1) getsockopt(answer.fd, SOL_SOCKET, SO_ERROR, &failed, &size);
  return !failed;
}

/* A datagram may be lost without anybody refusing it: a few tries, and an answer to one of them is enough. */
static int answers(const char *text, int protocol) {
  struct sockaddr_in to = address(text);
  struct icmphdr echo = {.type = ICMP_ECHO};
  char answer[64];
  struct pollfd in = {.fd = socket(AF_INET, SOCK_DGRAM, protocol), .events = POLLIN};
  if (in.fd < 0 || connect(in.fd, (void *)&to, sizeof to)) return 0;
  for (int i = 0; i < TRIES; i++) {
    if (protocol ? send(in.fd, &echo, sizeof echo, 0) < 0 : send(in.fd, "here?", 5, 0) < 0) continue;
    if (poll(&in, 1, WAIT_MS / TRIES) == 1 && recv(in.fd, answer, sizeof answer, 0) > 0) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  pid_t pids[argc];
  for (int i = 1; i < argc; i++) {
    if ((pids[i] = fork()) != 0) continue;
    const char *text = argv[i];
    int yes = !strncmp(text, "udp:", 4)    ? answers(text + 4, 0)
              : !strncmp(text, "icmp:", 5) ? answers(text + 5, IPPROTO_ICMP)
                                           : connects(text);
    if (yes) dprintf(1, "%s\n", text);
    for (;;) raise(SIGSTOP);
  }
  for (int i = 1; i < argc; i++) waitpid(pids[i], NULL, WUNTRACED);
  for (int i = 1; i < argc; i++) kill(pids[i], SIGKILL);
  return 0;
}
