/* Arguments, becoming a daemon, and the loop. */
#include "arc.h"
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#define EVENTS_MAX 64
#define EXIT_USAGE 64
#define EXIT_UNFIT 69
#define EXIT_RUNNING 75 /* another instance holds the lock */

struct globals g;
static void *graves[4096]; /* freed after the turn: an event of this turn may still name them */
static int ngraves;

void bury(void *p) {
  if (ngraves == 4096) abort();
  graves[ngraves++] = p;
}

void watch(struct src *s, int fd, unsigned events, void (*fn)(struct src *, unsigned)) {
  s->fd = fd, s->fn = fn;
  rewatch(s, events);
}

/* No events: taken out, since a hang-up would be told over and over. */
void rewatch(struct src *s, unsigned events) {
  struct epoll_event e = {.events = events, .data.ptr = s};
  if (!events) epoll_ctl(g.epoll, EPOLL_CTL_DEL, s->fd, NULL);
  else if (epoll_ctl(g.epoll, EPOLL_CTL_MOD, s->fd, &e) && epoll_ctl(g.epoll, EPOLL_CTL_ADD, s->fd, &e)) abort();
}

void unwatch(struct src *s) {
  if (s->fd >= 0) epoll_ctl(g.epoll, EPOLL_CTL_DEL, s->fd, NULL);
}

void drop(struct src *s) {
  if (s->fd < 0) return;
  unwatch(s); /* by name: a worker may hold a copy for a moment, and then closing is not enough */
  close(s->fd);
  s->fd = -1;
}

static void on_signal(struct src *s, unsigned events) {
  struct signalfd_siginfo info;
  int status;
  (void)events;
  while (read(s->fd, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) g.quit = true;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    bool known = sandbox_reaped(pid, status) || exec_reaped(pid, status) || session_reaped(pid);
    for (struct job *j = g.jobs; j && !known; j = j->next) known = j->pid == pid;
    if (!known) orphan_keep(pid, status);
  }
}

static void loop(void) {
  struct epoll_event events[EVENTS_MAX];
  while (!g.quit) {
    int64_t now = mono_ms(), wait = jobs_tick(now), more = sandboxes_tick(now);
    if (wait < 0 || (more >= 0 && more < wait)) wait = more;
    while (ngraves) free(graves[--ngraves]);
    int n = epoll_wait(g.epoll, events, EVENTS_MAX, wait > 60000 ? 60000 : (int)wait);
    if (n < 0 && errno != EINTR) abort();
    for (int i = 0; i < n; i++) {
      struct src *s = events[i].data.ptr;
      if (s->fd >= 0 && s->fn) s->fn(s, events[i].events);
    }
  }
  for (struct job *j = g.jobs; j; j = j->next)
    if (j->pid && !j->finished) kill(j->pid, SIGKILL);
}

static int listen_at(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof a.sun_path) return errno = ENAMETOOLONG, -1;
  strcpy(a.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  unlink(path); /* ours to remove: the lock is held */
  umask(0177);
  if (fd < 0 || bind(fd, (void *)&a, sizeof a) || listen(fd, 128)) return -1;
  umask(0077);
  return fd;
}

/* Outlives who started it. The first process stays until the socket answers and gives that as its exit code. */
static int daemonize(void) {
  int ready[2];
  unsigned char code = EXIT_UNFIT;
  if (pipe2(ready, O_CLOEXEC)) exit(EXIT_UNFIT);
  pid_t pid = fork();
  if (pid < 0) exit(EXIT_UNFIT);
  if (pid > 0) {
    close(ready[1]);
    if (read(ready[0], &code, 1) != 1) code = EXIT_UNFIT;
    _exit(code);
  }
  setsid();
  if (fork() > 0) _exit(0);
  close(ready[0]);
  return ready[1];
}

static void prepare_process(void) {
  struct rlimit files;
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* what the runtimes leave behind becomes our child, with its exit code */
  signal(SIGPIPE, SIG_IGN);
  write_file(AT_FDCWD, "/proc/self/oom_score_adj", "-900", 0);
  if (!getrlimit(RLIMIT_NOFILE, &files)) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
  if (read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", g.boot, 37) < 36) strcpy(g.boot, "unknown");
  if (chdir("/")) exit(EXIT_UNFIT);
}

/* crun refuses hybrid cgroups when it sees the v2 half: it is taken away here and nowhere else. */
static void private_mounts(bool hide) {
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)) perror("arc-node: mount namespace");
  else if (hide && strcmp(cgroup_unified, "/sys/fs/cgroup")) umount2(cgroup_unified, MNT_DETACH);
}

int main(int argc, char **argv) {
  const char *lock = NULL, *cgroup = NULL;
  bool foreground = false;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!strcmp(argv[i], "--foreground")) foreground = true;
    else if (!strcmp(argv[i], "--data") && value) g.data = argv[++i];
    else if (!strcmp(argv[i], "--socket") && value) g.socket = argv[++i];
    else if (!strcmp(argv[i], "--lock") && value) lock = argv[++i];
    else if (!strcmp(argv[i], "--cgroup") && value) cgroup = argv[++i];
    else g.data = NULL, i = argc;
  }
  if (!g.data || !g.socket || !lock || g.data[0] != '/' || g.socket[0] != '/') {
    fprintf(stderr, "usage: arc-node --data DIR --socket PATH --lock PATH [--cgroup v1=DIR|v2=DIR] [--foreground]\n");
    return EXIT_USAGE;
  }
  int ready = foreground ? -1 : daemonize();
  if (ready >= 0) ready = fcntl(ready, F_DUPFD_CLOEXEC, 200); /* clear of the descriptors that stay */
  unsigned char code = EXIT_UNFIT;
  for (int fd = 3; fd < 1024; fd++)
    if (fd != ready) close(fd);
  prepare_process();
  cgroup_find(cgroup);
  private_mounts(!cgroup && *cgroup_unified);
  int floor = open("/dev/null", O_RDWR | O_CLOEXEC);
  close(floor);
  g.floor = floor; /* the cgroup folders are below it */
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD), sigaddset(&set, SIGTERM), sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  static struct src signals, listener;
  g.lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (g.lock >= 0 && flock(g.lock, LOCK_EX | LOCK_NB)) code = errno == EWOULDBLOCK ? EXIT_RUNNING : EXIT_UNFIT;
  else if (g.lock >= 0 && (g.epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0) {
    umask(0077);
    watch(&signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN, on_signal);
    recover();
    if ((g.listen = listen_at(g.socket)) >= 0) code = 0;
    else fprintf(stderr, "arc-node: %s: %s\n", g.socket, strerror(errno));
  } else fprintf(stderr, "arc-node: %s: %s\n", lock, strerror(errno));
  if (ready >= 0 && (write(ready, &code, 1) != 1 || close(ready))) return EXIT_UNFIT;
  if (code) return code;
  watch(&listener, g.listen, EPOLLIN, on_accept);
  loop();
  return 0;
}
