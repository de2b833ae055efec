/* The node helper of Arc: what Node can not do, in one small program that outlives the server. It does not isolate
 * (crun, runc and runsc do) and decides nothing; PROTOCOL.md has the wire. One thread, one epoll loop; whatever may
 * block runs in a forked worker. One translation unit: each part stands on those before it. */
#include "base.h"
#include "journal.h"
#include "cgroup.h"
#include "net.h"
#include "start.h"
#include "node.h"
#include "files.h"
#include "exec.h"
#include "sandbox.h"
#include "serve.h"
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
enum { EVENTS_MAX = 64, EXIT_USAGE = 64, EXIT_UNFIT = 69, EXIT_RUNNING = 75 /* another instance holds the lock */ };

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (sandbox_reaped(pid, status) || exec_reaped(pid, status)) continue;
    orphans[norphans % ORPHANS_MAX].pid = pid, orphans[norphans % ORPHANS_MAX].status = status;
    orphans[norphans++ % ORPHANS_MAX].at = mono_ms();
  }
}
static void on_signal(struct src *s, unsigned events) {
  struct signalfd_siginfo info; (void)events;
  while (read(s->fd, &info, sizeof info) == sizeof info) quit |= info.ssi_signo != SIGCHLD;
  reap();
}
static void loop(void) {
  struct epoll_event events[EVENTS_MAX];
  while (!quit) {
    i64 wait = -1, due;
    for (struct sandbox *s = nexecs ? boxes : NULL; s; s = s->next) /* thousands, and mostly none has one */
      if ((due = execs_tick(s, mono_ms())) >= 0 && (wait < 0 || due < wait)) wait = due;
    for (size_t i = 0; i < graves.n / sizeof(void *); i++) free(((void **)graves.p)[i]);
    graves.n = 0; int n = epoll_wait(epoll_fd, events, EVENTS_MAX, (int)(wait > 60000 ? 60000 : wait));
    for (int i = 0; i < n; i++) { struct src *s = events[i].data.ptr; if (s->fd >= 0) s->fn(s, events[i].events); }
  }
}
static void prepare(char **cgroups) {
  struct rlimit files;
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* what the runtimes leave behind becomes our child, with its exit code */
  signal(SIGPIPE, SIG_IGN), umask(0077), write_text("/proc/self/oom_score_adj", "-900");
  if (!getrlimit(RLIMIT_NOFILE, &files)) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
  ssize_t n = read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot_id, 37);
  if (chdir("/") || n < 36) strcpy(boot_id, "unknown");
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL)) perror("arc-node: mount namespace");
  cgroup_take(cgroups), sealed_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(fd_floor = open("/dev/null", O_RDONLY | O_CLOEXEC)); /* the cgroup folders are below it */
}
static int bring_up(const char *lock, const char *socket_path) {
  static struct src signals, listener;
  sigset_t set; int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) return errno == EWOULDBLOCK ? EXIT_RUNNING : (perror(lock), EXIT_UNFIT);
  sigemptyset(&set), sigaddset(&set, SIGCHLD), sigaddset(&set, SIGTERM), sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(&signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN, on_signal, NULL); recover();
  if ((fd = listen_at(socket_path)) < 0 || chmod(socket_path, 0600)) return perror(socket_path), EXIT_UNFIT;
  return watch(&listener, fd, EPOLLIN, on_accept, NULL), 0;
}
int main(int argc, char **argv) {
  if (argc < 5 || *argv[1] != '/' || *argv[2] != '/' || *argv[3] != '/' || !*argv[4] || strpbrk(argv[4], "/%."))
    return fprintf(stderr, "usage: arc-node DATA SOCKET LOCK GROUP CGROUP...\n"), EXIT_USAGE;
  data_dir = argv[1], group = argv[4];
  setsid(), syscall(SYS_close_range, 3, ~0u, 0); /* it outlives who started it, and holds nothing of it */
  prepare(argv + 5); int code = bring_up(argv[3], argv[2]); if (!code) loop();
  for (struct job *j = jobs; j; j = j->next) kill(j->pid, SIGKILL);
  return code;
}
