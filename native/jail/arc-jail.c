/* The small static program beside bubblewrap or nsjail that a jail is started and used through. It isolates nothing:
 * namespaces, root, filter of system calls, no-new-privileges and the bounding set of capabilities are the jailer's.
 *
 *   arc-jail start CONFIG           run by the node helper: joins the namespaces that it made and becomes the jailer
 *   arc-jail init                   the first process of a jail: starts the program and every later command, so that
 *                                   a command is confined by having been born there, and reaps what they leave
 *   arc-jail exec SOCKET DOC PID [CONSOLE]
 *                                   run by the node helper for a command: hands its streams to `init` and stays until
 *                                   the end, which becomes its own
 *   arc-jail kill SOCKET SIGNAL     a signal for the program
 *
 * CONFIG and DOC are fields: `key=value` and a NUL each, as src/runtimes/jail/documents.ts writes them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  FD_FILTER = 90, FD_SOCKET, FD_DOC, FD_PID, FD_SELF, /* from start to init, through the jailer */
  FD_USER = 100, FD_NET = 101, /* from the helper: the namespaces that it made */
  LIST_MAX = 1024, DOC_BYTES_MAX = 16 << 20, COMMANDS_MAX = 256, CLIENT_FDS = 4 /* document, stdin, stdout, stderr */,
  NOT_STARTED = 126, FAMILY_DEPTH_MAX = 16, CAPS_MAX = 64,
};

/* ---- fields ---- */

struct doc { char *p; size_t n; };

static _Noreturn void die(const char *what, const char *why) {
  dprintf(2, "arc-jail: %s: %s\n", what, why), _exit(NOT_STARTED);
}
static struct doc doc_read(int fd) {
  struct stat st;
  struct doc d = {NULL, 0};
  if (fstat(fd, &st) || st.st_size < 0 || st.st_size > DOC_BYTES_MAX) return d;
  if (!(d.p = malloc((size_t)st.st_size + 1))) return d;
  for (ssize_t r; d.n < (size_t)st.st_size; d.n += (size_t)r)
    if ((r = pread(fd, d.p + d.n, (size_t)st.st_size - d.n, (off_t)d.n)) <= 0) break;
  d.p[d.n] = 0;
  if (d.n && d.p[d.n - 1]) d.n = 0; /* cut off: nothing of it is used */
  return d;
}
static char *next(const struct doc *d, const char *key, const char *previous) {
  size_t k = strlen(key);
  char *at = previous ? (char *)previous + strlen(previous) + 1 : d->p;
  for (; at && at < d->p + d->n; at += strlen(at) + 1)
    if (!strncmp(at, key, k) && at[k] == '=') return at + k + 1;
  return NULL;
}
static char *get(const struct doc *d, const char *key) { return next(d, key, NULL); }
static long number(const struct doc *d, const char *key, long missing) {
  char *value = get(d, key), *end;
  long n = value ? strtol(value, &end, 10) : missing;
  return value && (*end || !*value) ? -1 : n;
}
static int list(const struct doc *d, const char *key, char **out, int max) {
  int n = 0;
  for (char *v = NULL; (v = next(d, key, v)); n++)
    if (n < max) out[n] = v;
  return out[n < max ? n : max] = NULL, n;
}

/* ---- descriptors over a socket ---- */

static int send_fds(int to, const void *data, size_t n, const int *fds, int count) {
  char space[CMSG_SPACE(sizeof(int) * CLIENT_FDS)] = {0};
  struct msghdr h = {.msg_iov = &(struct iovec){(void *)data, n}, .msg_iovlen = 1};
  if (count > 0) {
    h.msg_control = space, h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
  }
  return sendmsg(to, &h, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}
static ssize_t recv_fds(int from, void *data, size_t n, int *fds, int *count) {
  char space[CMSG_SPACE(sizeof(int) * CLIENT_FDS)];
  struct msghdr h = {.msg_iov = &(struct iovec){data, n}, .msg_iovlen = 1, .msg_control = space,
                     .msg_controllen = sizeof space};
  ssize_t r = recvmsg(from, &h, MSG_CMSG_CLOEXEC);
  *count = 0;
  for (struct cmsghdr *c = r >= 0 ? CMSG_FIRSTHDR(&h) : NULL; c; c = CMSG_NXTHDR(&h, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    *count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)*count);
  }
  return r;
}
/* A socket's path may be longer than an address holds: its folder is opened, and the name goes beneath that. */
static struct sockaddr_un address(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (!slash || slash == path || (size_t)(slash - path) >= sizeof folder) die(path, "not a path of a socket");
  memcpy(folder, path, (size_t)(slash - path)), folder[slash - path] = 0;
  int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) die(folder, strerror(errno));
  snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d%s", dir, slash);
  return a;
}
static int dial(const char *path) {
  struct sockaddr_un a = address(path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (void *)&a, sizeof a)) die("the jail does not answer", strerror(errno));
  return fd;
}

/* ---- start: from the helper to the jailer ---- */

static void place(int fd, int at) { /* where the next program finds it */
  if (fd < 0 || (fd != at && dup2(fd, at) < 0)) die("descriptor", strerror(errno));
  fcntl(at, F_SETFD, 0);
}
static int filter_of(const struct doc *d) { /* hexadecimal, as the kernel's instructions */
  const char *hex = get(d, "filter");
  unsigned char byte;
  int fd = memfd_create("filter", MFD_CLOEXEC);
  for (; hex && sscanf(hex, "%2hhx", &byte) == 1; hex += 2)
    if (write(fd, &byte, 1) != 1) die("filter", strerror(errno));
  if (!hex || *hex) die("filter", "there is none, or not in hexadecimal");
  return lseek(fd, 0, SEEK_SET), fd;
}
static int listen_at(const char *path) {
  struct sockaddr_un a = address(path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  unlink(path), umask(077);
  if (fd < 0 || bind(fd, (void *)&a, sizeof a) || listen(fd, COMMANDS_MAX)) die(path, strerror(errno));
  return umask(022), fd;
}
static _Noreturn void start(const char *config) {
  char *argv[LIST_MAX + 1], *none[] = {NULL}, pid[32];
  int in = open(config, O_RDONLY | O_CLOEXEC), self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct doc d = doc_read(in);
  const char *score = get(&d, "oom"), *socket_path = get(&d, "socket"), *pid_path = get(&d, "pidFile");
  int n = list(&d, "jailer", argv, LIST_MAX);
  if (n == 0 || n > LIST_MAX || !socket_path || !pid_path || !score) die(config, "something is missing");
  int doc = memfd_create("doc", MFD_CLOEXEC), score_fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  /* As root of the machine, so that nobody inside may take it back. */
  if (score_fd < 0 || write(score_fd, score, strlen(score)) < 0) die("oom_score_adj", strerror(errno));
  if (write(doc, d.p, d.n) != (ssize_t)d.n) die("document", strerror(errno));
  place(filter_of(&d), FD_FILTER), place(listen_at(socket_path), FD_SOCKET), place(doc, FD_DOC), place(self, FD_SELF);
  place(open(pid_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), FD_PID);
  snprintf(pid, sizeof pid, "%d\n", getpid());
  if (pwrite(FD_DOC, pid, strlen(pid), (off_t)d.n) < 0) die("document", strerror(errno)); /* init writes it on */
  if (setns(FD_USER, CLONE_NEWUSER) || setns(FD_NET, CLONE_NEWNET)) die("joining the namespaces", strerror(errno));
  if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0)) die("becoming root of it", strerror(errno));
  close(FD_USER), close(FD_NET), syscall(SYS_close_range, 3, FD_FILTER - 1, 0);
  prctl(PR_SET_PDEATHSIG, 0); /* its parent is a worker of the helper, which is done when this runs */
  execve(argv[0], argv, none), die(argv[0], strerror(errno));
}

/* ---- a program: its user, limits, streams and place ---- */

static void give_up(int report, const char *what, const char *name, int why) {
  char text[512];
  int n = snprintf(text, sizeof text, "E%s%s%s%s: %s", what, *name ? " `" : "", name, *name ? "`" : "", strerror(why));
  if (n > (int)sizeof text - 1) n = sizeof text - 1;
  send(report, text, (size_t)n, MSG_NOSIGNAL), _exit(NOT_STARTED);
}
static void limits(const struct doc *d, int report) {
  for (char *v = NULL; (v = next(d, "rlimit", v));) { /* RESOURCE:VALUE */
    char *end;
    int resource = (int)strtol(v, &end, 10);
    rlim_t value = *end == ':' ? strtoull(end + 1, NULL, 10) : 0;
    if (setrlimit((__rlimit_resource_t)resource, &(struct rlimit){value, value})) give_up(report, "limit", v, errno);
  }
}
/* What is left is what the document names: nothing, as a rule. */
static void user(const struct doc *d, int report) {
  uint64_t keep = 0;
  gid_t groups[LIST_MAX];
  int n = 0;
  long uid = number(d, "uid", -1), gid = number(d, "gid", -1);
  for (char *v = NULL; (v = next(d, "cap", v));) keep |= 1ull << (strtoul(v, NULL, 10) % CAPS_MAX);
  for (char *v = NULL; n < LIST_MAX && (v = next(d, "group", v));) groups[n++] = (gid_t)strtoul(v, NULL, 10);
  if (uid < 0 || gid < 0) give_up(report, "user", "", EINVAL);
  for (int c = 0; c < CAPS_MAX; c++)
    if (!(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) && errno != EINVAL)
      give_up(report, "bounding set", "", errno);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
      setgroups((size_t)n, groups) || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) ||
      setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid)) give_up(report, "user", "", errno);
  uint64_t carried = uid == 0 ? 0 : keep;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {{(uint32_t)keep, (uint32_t)keep, (uint32_t)carried},
                                           {(uint32_t)(keep >> 32), (uint32_t)(keep >> 32), (uint32_t)(carried >> 32)}};
  if (syscall(SYS_capset, &header, sets)) give_up(report, "capabilities", "", errno);
  for (int c = 0; c < CAPS_MAX; c++)
    if (carried >> c & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0))
      give_up(report, "capabilities", "", errno);
  prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}
/* A terminal of the jail's own devpts, owned by who uses it; the other end goes out with the report. */
static int terminal(const struct doc *d, int report) {
  char name[32];
  int n, unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  struct winsize size = {.ws_col = (unsigned short)number(d, "cols", 80)};
  size.ws_row = (unsigned short)number(d, "rows", 24);
  if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &n))
    give_up(report, "/dev/ptmx", "", errno);
  snprintf(name, sizeof name, "/dev/pts/%d", n), ioctl(master, TIOCSWINSZ, &size);
  int slave = open(name, O_RDWR);
  if (slave < 0) give_up(report, name, "", errno);
  ioctl(slave, TIOCSCTTY, 0);
  for (int i = 0; i < 3; i++) dup2(slave, i);
  return master;
}
static void run(char **argv, char **env, int report) {
  const char *path = "";
  char full[PATH_MAX];
  int why = ENOENT;
  for (int i = 0; env[i]; i++) if (!strncmp(env[i], "PATH=", 5)) path = env[i] + 5;
  if (strchr(argv[0], '/')) {
    execve(argv[0], argv, env), why = errno;
    give_up(report, why == ENOEXEC ? "executing: exec format error" : "open executable", argv[0], why);
  }
  for (const char *end; *path && *argv[0]; path = *end ? end + 1 : end) {
    end = strchrnul(path, ':');
    snprintf(full, sizeof full, "%.*s/%s", (int)(end - path), path, argv[0]);
    execve(full, argv, env);
    if (errno == EACCES || (errno != ENOENT && errno != ENOTDIR)) why = errno;
  }
  bool found = why == EACCES || why == ENOEXEC;
  give_up(report, found ? "open executable" : "executable file not found in $PATH", argv[0], why);
}
static _Noreturn void become_program(const struct doc *d, const int *fds, int report) {
  static char *argv[LIST_MAX + 1], *env[LIST_MAX + 1];
  sigset_t nothing;
  const char *cwd = get(d, "cwd");
  int argc = list(d, "arg", argv, LIST_MAX), envc = list(d, "env", env, LIST_MAX), master = -1;
  if (argc < 1 || argc > LIST_MAX || envc > LIST_MAX || !cwd) give_up(report, "command", "", E2BIG);
  for (int i = 0; fds && i < 3; i++) if (dup2(fds[i], i) < 0) give_up(report, "streams", "", errno);
  for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
  sigemptyset(&nothing), sigprocmask(SIG_SETMASK, &nothing, NULL), umask(022), setsid();
  limits(d, report), user(d, report);
  if (chdir(cwd)) give_up(report, "working folder", cwd, errno);
  if (number(d, "tty", 0) == 1) {
    master = terminal(d, report);
    if (send_fds(report, "T", 1, &master, 1)) give_up(report, "terminal", "", errno);
  }
  syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
  run(argv, env, report), _exit(NOT_STARTED);
}
/* Gives the pid once the program runs, or 0 and why not in `said`. A terminal's other end goes to `master`. */
static pid_t launch(const struct doc *d, const int *fds, int *master, char *said, size_t cap) {
  int ends[2], got, fd[CLIENT_FDS];
  *said = 0, *master = -1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) return snprintf(said, cap, "socket: %m"), 0;
  pid_t pid = fork();
  if (pid == 0) become_program(d, fds, ends[1]);
  close(ends[1]);
  if (pid < 0) return snprintf(said, cap, "fork: %m"), close(ends[0]), 0;
  for (ssize_t n; (n = recv_fds(ends[0], said, cap - 1, fd, &got)) > 0; said[0] = 0) {
    said[n] = 0;
    if (got == 1) *master = fd[0];
    if (*said == 'E') return memmove(said, said + 1, (size_t)n), close(ends[0]), waitpid(pid, NULL, 0), 0;
  }
  return close(ends[0]), *said = 0, pid; /* exec has closed it */
}

/* ---- init: the first process of a jail ---- */

struct command { pid_t pid; int client; };
static struct command commands[COMMANDS_MAX];
static int ncommands;
static pid_t program;

static void kill_family(pid_t pid, int depth) {
  char path[64], kids[4096], *at = kids, *end;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
  kill(pid, SIGSTOP); /* so that it makes no more of them meanwhile */
  int fd = depth > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t n = fd < 0 ? 0 : read(fd, kids, sizeof kids - 1);
  if (fd >= 0) close(fd);
  kids[n > 0 ? n : 0] = 0;
  for (long kid; (kid = strtol(at, &end, 10)) > 1 && end != at; at = end) kill_family((pid_t)kid, depth - 1);
  kill(pid, SIGKILL);
}
static void forget(int i) { close(commands[i].client), commands[i] = commands[--ncommands]; }
static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    bool all = pid == program; /* with the first process of a pid namespace everything in it ends */
    if (all) _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    for (int i = 0; i < ncommands; i++) {
      if (commands[i].pid != pid) continue;
      send_fds(commands[i].client, &status, sizeof status, NULL, 0), forget(i);
      break;
    }
  }
}
/* From a client that is new: a command with its streams, or a signal for the program. */
static void greet(int client) {
  int fds[CLIENT_FDS], n = 0, master;
  unsigned char sig;
  char said[600] = "S";
  ssize_t got = recv_fds(client, &sig, 1, fds, &n);
  if (got == 1 && n == 0 && sig < NSIG) {
    int r = kill(program, sig) ? errno : 0;
    send_fds(client, &r, sizeof r, NULL, 0);
  } else if (got == 1 && n == CLIENT_FDS && ncommands < COMMANDS_MAX) {
    struct doc d = doc_read(fds[0]);
    pid_t pid = launch(&d, fds + 1, &master, said + 1, sizeof said - 1);
    if (d.p) explicit_bzero(d.p, d.n), free(d.p);
    *said = pid > 0 ? 'S' : 'E';
    if (pid > 0) commands[ncommands++] = (struct command){pid, fcntl(client, F_DUPFD_CLOEXEC, 3)};
    send_fds(client, said, strlen(said), &master, pid > 0 && master >= 0 ? 1 : 0);
    if (master >= 0) close(master);
  }
  for (int i = 0; i < n; i++) close(fds[i]);
  close(client);
}
/* A client of a command that runs: one more signal for it, or it is gone, and nobody is left to see the end. */
static void hear(int i) {
  unsigned char sig;
  ssize_t n = recv(commands[i].client, &sig, 1, MSG_DONTWAIT);
  if (n == 1 && sig < NSIG) kill(commands[i].pid, sig);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR)) kill_family(commands[i].pid, FAMILY_DEPTH_MAX), forget(i);
}
static void make_folder(const char *path) { /* the working folder may be one that the root lacks */
  char part[PATH_MAX];
  for (size_t n = 1; *path && n < sizeof part; n++) {
    if (path[n] && path[n] != '/') continue;
    memcpy(part, path, n), part[n] = 0, mkdir(part, 0755);
    if (!path[n]) return;
  }
}
static _Noreturn void init(void) {
  char said[600];
  sigset_t child;
  int master, held[] = {FD_FILTER, FD_SOCKET, FD_DOC, FD_PID, FD_SELF};
  prctl(PR_SET_DUMPABLE, 0), prctl(PR_SET_NAME, "arc-init");
  for (size_t i = 0; i < sizeof held / sizeof *held; i++) fcntl(held[i], F_SETFD, FD_CLOEXEC);
  struct doc d = doc_read(FD_DOC);
  /* `start` has put the pid that the helper will know this jail by behind the document. */
  struct stat st;
  if (!d.p || fstat(FD_DOC, &st)) die("document", "it can not be read");
  char *pid = memrchr(d.p, 0, (size_t)st.st_size);
  d.n = pid ? (size_t)(pid + 1 - d.p) : 0;
  sigemptyset(&child), sigaddset(&child, SIGCHLD), sigprocmask(SIG_BLOCK, &child, NULL), signal(SIGPIPE, SIG_IGN);
  int ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (get(&d, "cwd")) make_folder(get(&d, "cwd"));
  program = launch(&d, NULL, &master, said, sizeof said);
  if (program <= 0) die("the program", said);
  if (!pid || write(FD_PID, pid + 1, strlen(pid + 1)) < 0) die("pid file", strerror(errno));
  close(FD_FILTER), close(FD_DOC), close(FD_PID), close(FD_SELF), explicit_bzero(d.p, d.n), free(d.p);
  /* Its streams are the program's and whoever inherits them: of its own it has none. */
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3 && null >= 0; i++) dup2(null, i);
  for (;;) {
    struct pollfd p[COMMANDS_MAX + 2] = {{.fd = ended, .events = POLLIN}, {.fd = FD_SOCKET, .events = POLLIN}};
    struct signalfd_siginfo info;
    int n = ncommands;
    for (int i = 0; i < n; i++) p[i + 2] = (struct pollfd){.fd = commands[i].client, .events = POLLIN};
    if (poll(p, (nfds_t)n + 2, -1) < 0) continue;
    for (int i = n - 1; i >= 0; i--) if (p[i + 2].revents) hear(i); /* from behind: a forgotten one's place is filled */
    if (p[0].revents && read(ended, &info, sizeof info) >= 0) reap();
    int client = p[1].revents ? accept4(FD_SOCKET, NULL, NULL, SOCK_CLOEXEC) : -1;
    if (client >= 0) greet(client);
  }
}

/* ---- exec and kill: the host's side of a command ---- */

static void end_as(int status) {
  int sig = WTERMSIG(status);
  sigset_t all;
  if (!WIFSIGNALED(status)) _exit(WEXITSTATUS(status));
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}), prctl(PR_SET_DUMPABLE, 0);
  signal(sig, SIG_DFL), sigemptyset(&all), kill(getpid(), sig), sigprocmask(SIG_SETMASK, &all, NULL), _exit(128 + sig);
}
static void put_pid(const char *path) {
  char aside[PATH_MAX], digits[32];
  snprintf(aside, sizeof aside, "%s.new", path), snprintf(digits, sizeof digits, "%d\n", getpid());
  int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, digits, strlen(digits)) < 0 || rename(aside, path)) die(path, strerror(errno));
}
static void hand_terminal(const char *console, int master) {
  struct sockaddr_un a = address(console);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (void *)&a, sizeof a) || send_fds(fd, "tty", 3, &master, 1)) die(console, strerror(errno));
}
static _Noreturn void exec_client(char **argv) {
  sigset_t all;
  char said[600];
  int n, fds[CLIENT_FDS] = {open(argv[3], O_RDONLY | O_CLOEXEC), 0, 1, 2}, status;
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* with the helper its streams are lost, and so is the command */
  int jail = dial(argv[2]);
  sigfillset(&all), sigprocmask(SIG_BLOCK, &all, NULL);
  int caught = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fds[0] < 0 || send_fds(jail, "X", 1, fds, CLIENT_FDS)) die("the jail", strerror(errno));
  close(fds[0]);
  ssize_t r = recv_fds(jail, said, sizeof said - 1, fds, &n);
  said[r > 0 ? r : 0] = 0;
  if (*said != 'S') dprintf(2, "%s\n", *said ? said + 1 : "the jail has ended"), _exit(NOT_STARTED);
  if (argv[5] && n == 1) hand_terminal(argv[5], fds[0]), close(fds[0]);
  put_pid(argv[4]);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; i++) dup2(null, i); /* the command's end is seen by whoever reads its streams */
  for (;;) {
    struct pollfd p[2] = {{.fd = jail, .events = POLLIN}, {.fd = caught, .events = POLLIN}};
    struct signalfd_siginfo info;
    if (poll(p, 2, -1) < 0) continue;
    if (p[1].revents && read(caught, &info, sizeof info) == sizeof info) {
      unsigned char sig = (unsigned char)info.ssi_signo;
      if (sig != SIGCHLD) send(jail, &sig, 1, MSG_NOSIGNAL);
    }
    if (!p[0].revents) continue;
    if (recv(jail, &status, sizeof status, 0) == sizeof status) end_as(status);
    end_as(SIGKILL); /* the jail has ended, and the command with it */
  }
}
static _Noreturn void kill_client(const char *path, int sig) {
  unsigned char byte = (unsigned char)sig;
  int jail = dial(path), result = 0;
  if (send_fds(jail, &byte, 1, NULL, 0) || recv(jail, &result, sizeof result, 0) != sizeof result)
    die("the jail", "it has ended");
  if (result) die("signal", strerror(result));
  _exit(0);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "start") && argc == 3) start(argv[2]);
  if (!strcmp(what, "init") && argc == 2) init();
  if (!strcmp(what, "exec") && (argc == 5 || argc == 6)) exec_client(argv);
  if (!strcmp(what, "kill") && argc == 4) kill_client(argv[2], atoi(argv[3]));
  die(what, "start CONFIG, init, exec SOCKET DOC PID [CONSOLE], kill SOCKET SIGNAL");
}
