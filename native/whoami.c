/*
 * The program of the builtin template `whoami`: answers HTTP requests with what it knows of itself and of the request,
 * in so little memory that the density of a machine can be judged by it. One process, no allocation, buffers that are
 * touched only while a client makes them necessary. Built with cc -Os -static -s.
 *
 * It is process 1 of its sandbox: it ends on SIGTERM and SIGINT, and leaves no zombies of others. Whatever clients
 * send, it answers or closes; nothing they do takes memory beyond the bounds below.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum {
  PORT_DEFAULT = 8080,
  CONNECTIONS_MAX = 1024,
  /* Of a request line and header together. */
  HEAD_BYTES_MAX = 8 * 1024,
  /* Of an answer: the head again, and our own lines. */
  ANSWER_BYTES_MAX = HEAD_BYTES_MAX + 1024,
  ANSWER_HEAD_BYTES_MAX = 256,
  /* Connections at once with half a request, or with an answer that the client doesn't take. */
  PARKED_MAX = 32,
  HEAD_SECONDS = 10,
  IDLE_SECONDS = 75,
  /* How long what a client still sends is read and thrown away, after the last answer to it. */
  LINGER_SECONDS = 2,
  EVENTS_PER_TURN = 64,
  ACCEPTS_PER_TURN = 64,
  SWEEP_MS = 1000,
  PAGE = 4096,
};

/* Bytes that could not be dealt with at once. */
struct parked {
  char in[HEAD_BYTES_MAX], out[ANSWER_BYTES_MAX];
  size_t in_n, out_n, out_at;
};

struct connection {
  int fd; /* 0: free; a client's descriptor is never 0 */
  char lingering, last;
  struct parked *parked;
  unsigned long long skip; /* bytes of a body still to come */
  time_t deadline;
  struct sockaddr_in6 peer; /* of either family: IPv4's address is the smaller */
};

struct request {
  const char *line, *end; /* the request line, and the end of the header */
  size_t line_n;
  int head, keep_alive;
  unsigned long long length;
};

static struct connection connections[CONNECTIONS_MAX];
static struct parked parkeds[PARKED_MAX];
/* Not in `struct parked`: to look at one would touch its page. */
static char parked_used[PARKED_MAX], parked_touched[PARKED_MAX];
static char scratch[HEAD_BYTES_MAX], answer[ANSWER_BYTES_MAX];
/* Places ever used lie below `places`: memory is touched only as connections come. */
static int poll_fd, listen_fd, open_count, places, swept_clean, environment_count;
static struct utsname self;

struct text {
  char *p;
  size_t n, max;
};

static void put(struct text *t, const char *s, size_t n) {
  if (n > t->max - t->n) n = t->max - t->n;
  memcpy(t->p + t->n, s, n);
  t->n += n;
}

static void put_text(struct text *t, const char *s) { put(t, s, strlen(s)); }

static void put_number(struct text *t, unsigned long long v) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + v % 10);
  while (v /= 10);
  put(t, digits + at, sizeof digits - at);
}

/* Family and port are at the same place in both kinds of address. */
static void put_address(struct text *t, const struct sockaddr_in6 *peer) {
  const unsigned char *a = peer->sin6_addr.s6_addr;
  int four = peer->sin6_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&peer->sin6_addr);
  if (peer->sin6_family == AF_INET) a = (const unsigned char *)peer + offsetof(struct sockaddr_in, sin_addr);
  else if (four) a += 12;
  if (!four) put_text(t, "[");
  for (int i = 0; i < (four ? 4 : 16); i++) {
    if (i && (four || i % 2 == 0)) put_text(t, four ? "." : ":");
    if (four) put_number(t, a[i]);
    else put(t, &"0123456789abcdef"[a[i] >> 4], 1), put(t, &"0123456789abcdef"[a[i] & 15], 1);
  }
  put_text(t, four ? ":" : "]:");
  put_number(t, ntohs(peer->sin6_port));
}

/* `word` is lower case. */
static int same(const char *p, size_t n, const char *word) {
  size_t i = 0;
  for (; i < n && word[i]; i++)
    if ((p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]) != word[i]) return 0;
  return i == n && !word[i];
}

static int blank(char c) { return c == ' ' || c == '\t'; }

static int has_word(const char *p, size_t n, const char *word) {
  for (size_t at = 0; at < n;) {
    while (at < n && (blank(p[at]) || p[at] == ',')) at++;
    size_t from = at;
    while (at < n && !blank(p[at]) && p[at] != ',') at++;
    if (same(p + from, at - from, word)) return 1;
  }
  return 0;
}

/* One header line. 0: not proper. */
static int read_field(struct request *r, const char *p, size_t n, int *lengths) {
  const char *colon = memchr(p, ':', n);
  if (!colon || colon == p) return 0;
  size_t name = (size_t)(colon - p);
  for (size_t i = 0; i < name; i++)
    if (p[i] <= ' ' || p[i] == 127) return 0;
  const char *value = colon + 1;
  size_t value_n = n - name - 1;
  while (value_n && blank(*value)) value++, value_n--;
  while (value_n && blank(value[value_n - 1])) value_n--;
  if (same(p, name, "connection")) {
    if (has_word(value, value_n, "close")) r->keep_alive = 0;
    else if (r->keep_alive < 0 && has_word(value, value_n, "keep-alive")) r->keep_alive = 1;
  } else if (same(p, name, "transfer-encoding") || same(p, name, "expect")) {
    r->keep_alive = 0; /* the body isn't read, so nothing can follow it */
  } else if (same(p, name, "content-length")) {
    if (++*lengths > 1 || !value_n || value_n > 15) return 0;
    for (size_t i = 0; i < value_n; i++) {
      if (value[i] < '0' || value[i] > '9') return 0;
      r->length = r->length * 10 + (unsigned)(value[i] - '0');
    }
  }
  return 1;
}

/* METHOD SP TARGET SP HTTP/1.x */
static int read_line(struct request *r) {
  const char *p = r->line, *end = r->line + r->line_n;
  const char *space = memchr(p, ' ', r->line_n);
  if (!space || space == p || space - p > 20) return 0;
  for (const char *c = p; c < space; c++)
    if (*c < 'A' || *c > 'Z') return 0;
  r->head = same(p, (size_t)(space - p), "head");
  const char *target = space + 1, *version = memchr(target, ' ', (size_t)(end - target));
  if (!version || version == target || end - version != 9 || memcmp(version, " HTTP/1.", 8)) return 0;
  if (version[8] != '0' && version[8] != '1') return 0;
  r->keep_alive = version[8] == '1' ? 1 : -1; /* -1: only if asked for */
  return 1;
}

/* 1: a request; 0: more is needed; -1: not proper. */
static int read_request(struct request *r, const char *p, size_t n) {
  memset(r, 0, sizeof *r);
  if (*p < 'A' || *p > 'Z') return -1;
  const char *end = memmem(p, n, "\r\n\r\n", 4);
  if (memchr(p, 0, end ? (size_t)(end - p) : n)) return -1;
  if (!end) return n >= HEAD_BYTES_MAX ? -1 : 0;
  const char *at = memmem(p, n, "\r\n", 2);
  r->line = p;
  r->line_n = (size_t)(at - p);
  r->end = end + 4;
  if (!read_line(r)) return -1;
  for (int lengths = 0; at < end;) {
    const char *line = at + 2;
    at = memmem(line, (size_t)(r->end - line), "\r\n", 2);
    if (!read_field(r, line, (size_t)(at - line), &lengths)) return -1;
  }
  return 1;
}

/* The page is put together first, behind room for its header, which says how long the page is. */
static size_t write_answer(const struct connection *c, const struct request *r, int keep) {
  struct text page = {answer + ANSWER_HEAD_BYTES_MAX, 0, sizeof answer - ANSWER_HEAD_BYTES_MAX};
  put_text(&page, "Hostname: ");
  put_text(&page, self.nodename);
  put_text(&page, "\nRemote: ");
  put_address(&page, &c->peer);
  put_text(&page, "\nEnvironment: ");
  put_number(&page, (unsigned)environment_count);
  put_text(&page, " variables\n\n");
  for (const char *p = r->line; p < r->end - 2; p++) {
    unsigned char byte = (unsigned char)*p;
    if (byte == '\r' && p[1] == '\n') continue;
    int shown = byte == '\n' || byte == '\t' || (byte >= ' ' && byte != 127);
    put(&page, shown ? p : "?", 1);
  }
  struct text head = {answer, 0, ANSWER_HEAD_BYTES_MAX};
  put_text(&head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n");
  put_text(&head, keep ? "Connection: keep-alive\r\nContent-Length: " : "Connection: close\r\nContent-Length: ");
  put_number(&head, page.n);
  put_text(&head, "\r\n\r\n");
  if (r->head) return head.n;
  memmove(answer + head.n, page.p, page.n);
  return head.n + page.n;
}

static const char REFUSAL[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                              "Content-Length: 12\r\n\r\nBad request\n";

static time_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

static struct parked *park(struct connection *c) {
  for (int i = 0; !c->parked && i < PARKED_MAX; i++)
    if (!parked_used[i]) {
      c->parked = &parkeds[i];
      parked_used[i] = parked_touched[i] = 1;
      c->parked->in_n = c->parked->out_n = c->parked->out_at = 0;
    }
  return c->parked;
}

static void unpark(struct connection *c) {
  if (c->parked) parked_used[c->parked - parkeds] = 0;
  c->parked = 0;
}

static void end(struct connection *c) {
  unpark(c);
  close(c->fd);
  c->fd = 0;
  open_count--;
}

static int watch(struct connection *c, int operation, unsigned events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  return epoll_ctl(poll_fd, operation, c->fd, &e);
}

/* The last answer is out. The client's rest is thrown away for a while, lest a reset overtakes the answer. */
static void linger(struct connection *c) {
  unpark(c);
  c->lingering = 1;
  c->deadline = now() + LINGER_SECONDS;
  if (shutdown(c->fd, SHUT_WR) < 0 || watch(c, EPOLL_CTL_MOD, EPOLLIN) < 0) end(c);
}

/* 1: all is out; 0: the rest is parked; -1: the connection has ended. */
static int give(struct connection *c, const char *p, size_t n) {
  while (n) {
    ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      struct parked *parked = errno == EAGAIN ? park(c) : 0;
      if (!parked || watch(c, EPOLL_CTL_MOD, EPOLLOUT) < 0) return end(c), -1;
      memcpy(parked->out, p, n);
      parked->out_n = n;
      parked->out_at = 0;
      c->deadline = now() + HEAD_SECONDS;
      return 0;
    }
    p += sent;
    n -= (size_t)sent;
  }
  return 1;
}

/* What is left of the bytes waits for more of them, or for the client to take its answer. */
static void keep_rest(struct connection *c, const char *p, size_t n) {
  if (n) {
    /* A head that comes in drips has one time limit in all. */
    int first = !c->parked || !c->parked->in_n;
    if (!park(c)) return end(c);
    if (first) c->deadline = now() + HEAD_SECONDS;
    memmove(c->parked->in, p, n);
    c->parked->in_n = n;
    return;
  }
  if (c->parked && c->parked->out_at < c->parked->out_n) {
    c->parked->in_n = 0;
    return;
  }
  unpark(c);
  c->deadline = now() + IDLE_SECONDS;
}

/* Answers the whole requests among the bytes. */
static void serve(struct connection *c, const char *p, size_t n) {
  for (;;) {
    size_t skip = c->skip < n ? (size_t)c->skip : n;
    c->skip -= skip;
    p += skip;
    n -= skip;
    if (!n) break;
    struct request r;
    int found = read_request(&r, p, n);
    if (!found) break;
    int keep = found > 0 && r.keep_alive > 0;
    size_t length = found > 0 ? write_answer(c, &r, keep) : sizeof REFUSAL - 1;
    if (found > 0) {
      n -= (size_t)(r.end - p);
      p = r.end;
      c->skip = r.length;
    }
    c->last = !keep;
    int given = give(c, found > 0 ? answer : REFUSAL, length);
    if (given < 0) return;
    if (given && c->last) return linger(c);
    if (!given) break;
  }
  keep_rest(c, p, c->last ? 0 : n);
}

static void readable(struct connection *c) {
  size_t held = c->parked ? c->parked->in_n : 0;
  if (held) memcpy(scratch, c->parked->in, held);
  ssize_t got = recv(c->fd, scratch + held, sizeof scratch - held, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return end(c);
  if (!c->lingering) serve(c, scratch, held + (size_t)got);
}

static void writable(struct connection *c) {
  struct parked *parked = c->parked;
  if (!parked) return end(c);
  while (parked->out_at < parked->out_n) {
    ssize_t sent = send(c->fd, parked->out + parked->out_at, parked->out_n - parked->out_at, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) return end(c);
    parked->out_at += (size_t)sent;
    c->deadline = now() + HEAD_SECONDS;
  }
  if (c->last) return linger(c);
  if (watch(c, EPOLL_CTL_MOD, EPOLLIN) < 0) return end(c);
  size_t held = parked->in_n;
  memcpy(scratch, parked->in, held);
  parked->in_n = 0;
  serve(c, scratch, held);
}

/* Ends the connection that is nearest to its end anyway. */
static struct connection *make_room(void) {
  struct connection *c = 0;
  for (int i = 0; i < places; i++)
    if (connections[i].fd && (!c || connections[i].deadline < c->deadline)) c = &connections[i];
  if (c) end(c);
  return c;
}

static struct connection *place(void) {
  for (int i = 0; i < CONNECTIONS_MAX; i++) {
    if (connections[i].fd) continue;
    if (i >= places) places = i + 1;
    return &connections[i];
  }
  return make_room();
}

static void take(void) {
  for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
    struct sockaddr_in6 peer;
    socklen_t size = sizeof peer;
    int fd = accept4(listen_fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    /* Without a descriptor for it, a client that waits to be taken would keep the loop spinning. */
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) make_room();
    if (fd < 0) return;
    struct connection *c = place();
    *c = (struct connection){.fd = fd, .peer = peer, .deadline = now() + HEAD_SECONDS};
    open_count++;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (watch(c, EPOLL_CTL_ADD, EPOLLIN) < 0) end(c);
  }
}

/* Gives the whole pages between two addresses back to the system. */
static void give_back(const void *from, const void *to) {
  size_t first = ((size_t)from + PAGE - 1) / PAGE * PAGE, last = (size_t)to / PAGE * PAGE;
  if (last > first) madvise((void *)first, last - first, MADV_DONTNEED);
}

/* Code that has run and may not soon again: a page comes back from the file when it is needed. */
static void give_back_code(void) {
#ifndef __SANITIZE_ADDRESS__
  extern char __executable_start, etext;
  give_back(&__executable_start, &etext);
#endif
}

static void sweep(void) {
  time_t at = now();
  for (int i = 0; i < places; i++)
    if (connections[i].fd && connections[i].deadline <= at) end(&connections[i]);
  while (places && !connections[places - 1].fd) places--;
  give_back(&connections[places], &connections[CONNECTIONS_MAX]);
  for (int i = 0; i < PARKED_MAX; i++)
    if (parked_touched[i] && !parked_used[i]) {
      parked_touched[i] = 0;
      give_back(&parkeds[i], &parkeds[i + 1]);
    }
  if (open_count) return;
  give_back_code();
  swept_clean = 1;
}

static void on_stop(int number) {
  (void)number;
  _exit(0);
}

static void say(const char *what, unsigned number) {
  char line[128];
  struct text t = {line, 0, sizeof line};
  put_text(&t, "whoami: ");
  put_text(&t, what);
  put_number(&t, number);
  put_text(&t, "\n");
  ssize_t ignored = write(1, line, t.n);
  (void)ignored;
}

/* Both families where the kernel has them, else IPv4. Gives the port, or 0. */
static unsigned listen_on(unsigned port) {
  static const int families[] = {AF_INET6, AF_INET};
  int on = 1, off = 0;
  for (int i = 0; i < 2; i++) {
    struct sockaddr_in6 address = {.sin6_family = (sa_family_t)families[i], .sin6_port = htons((unsigned short)port)};
    socklen_t size = i ? sizeof(struct sockaddr_in) : sizeof address;
    listen_fd = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listen_fd < 0) continue;
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!i) setsockopt(listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    struct sockaddr *any = (struct sockaddr *)&address;
    if (!bind(listen_fd, any, size) && !listen(listen_fd, 1024) && !getsockname(listen_fd, any, &size))
      return ntohs(address.sin6_port);
    close(listen_fd);
  }
  return 0;
}

static int read_port(const char *text) {
  int port = 0;
  for (const char *p = text; *p; p++) {
    if (*p < '0' || *p > '9' || p - text > 4) return -1;
    port = port * 10 + (*p - '0');
  }
  return *text && port <= 65535 ? port : -1;
}

static void turn(void) {
  struct epoll_event events[EVENTS_PER_TURN];
  int takes = 0, n = epoll_wait(poll_fd, events, EVENTS_PER_TURN, swept_clean ? -1 : SWEEP_MS);
  if (n > 0) swept_clean = 0;
  for (int i = 0; i < n; i++) {
    struct connection *c = events[i].data.ptr;
    if (!c) takes = 1;
    else if (!c->fd) continue; /* ended earlier in this turn */
    else if (events[i].events & EPOLLOUT) writable(c);
    else if (events[i].events & EPOLLIN) readable(c);
    else end(c);
  }
  if (takes) take(); /* last, so that no place changes hands within a turn */
}

int main(int argc, char **argv, char **envp) {
  struct sigaction stop = {.sa_handler = on_stop}, ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGTERM, &stop, 0);
  sigaction(SIGINT, &stop, 0);
  sigaction(SIGPIPE, &ignore, 0);
  sigaction(SIGCHLD, &ignore, 0); /* whoever is left to process 1 is reaped by the kernel */
  while (envp[environment_count]) environment_count++;
  uname(&self);
  int asked = argc > 1 ? read_port(argv[1]) : PORT_DEFAULT;
  if (asked < 0 || argc > 2) return say("takes one port, at most ", 65535), 64;
  unsigned port = listen_on((unsigned)asked);
  if (!port) return say("can not listen on port ", (unsigned)asked), 71;
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event listening = {.events = EPOLLIN, .data.ptr = 0};
  if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &listening) < 0) return say("no epoll ", 0), 71;
  say("listening on port ", port);
  give_back_code(); /* the C library's start, above all */
  for (time_t swept = now();;) {
    turn();
    if (now() != swept) sweep(), swept = now();
  }
}
