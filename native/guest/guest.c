/* The first program of a virtual machine that holds one sandbox: loads the kernel's modules, waits for the order on a
 * virtio-serial port (QEMU) or a vsock connection (Firecracker: `arc.channel=vsock` on the kernel's command line),
 * starts the program, and serves commands, terminals, files and figures of it with the helper's own code and wire
 * (../PROTOCOL.md), many connections over that port (mux.h). Nothing in here protects the host. */
#include "../base.h"
#include "machine.h"
#include "mux.h"
#include "box.h"
#include "../conn.h"
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/signalfd.h>
enum { EVENTS_MAX = 64, LAST_WORDS_MS = 1000,
    DEVICE_TRIES_MAX = 10000, M_STATS = 32, M_PROCESSES = 33 };
static struct src signals;
/* What the program prints: from a pipe to a port, which takes one piece at a time. */
static struct pump { struct src pipe, port; char data[MUX_BYTES_MAX]; size_t n, sent; bool flushed; } pumps[2];
static i64 over; /* when the program ended, or 0 */
static bool vsock; static struct src calls; /* by vsock the host calls port 1, and is called at 2 and 3 */
static void answer_done(struct ref ref, int failed) {
  struct buf b = {0}; if (failed) put_failure(&b);
  answer(ref, failed ? M_ERROR : M_OK, &b), free(b.p);
}
static void printed_all(struct pump *p) { /* by vsock it is with the host when that has hung up in turn */
  char none; rewatch(&p->port, 0);
  if (vsock && !fcntl(p->port.fd, F_SETFL, 0)) {
    struct timeval limit = {.tv_usec = LAST_WORDS_MS * 1000 - 1};
    setsockopt(p->port.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), shutdown(p->port.fd, SHUT_WR);
    while (read(p->port.fd, &none, 1) > 0) {}
  }
  p->flushed = true;
}
static void pump(struct pump *p) {
  ssize_t n = 0;
  for (;;) {
    if (p->n == p->sent) { /* the port takes more only when it has given away what it had */
      struct pollfd room = {.fd = p->port.fd, .events = POLLOUT}; poll(&room, 1, 0);
      if (!(room.revents & (vsock ? POLLOUT | POLLHUP | POLLERR : POLLOUT)))
        return rewatch(&p->pipe, 0), rewatch(&p->port, EPOLLOUT);
      n = p->pipe.fd < 0 ? 0 : read(p->pipe.fd, p->data, sizeof p->data); if (n < 0 && errno == EINTR) continue;
      if (n < 0) return rewatch(&p->pipe, EPOLLIN), rewatch(&p->port, 0);
      if (n == 0) return drop(&p->pipe), printed_all(p);
      p->n = (size_t)n, p->sent = 0;
    }
    ssize_t w = write(p->port.fd, p->data + p->sent, p->n - p->sent);
    if (w < 0 && vsock && errno != EAGAIN) w = (ssize_t)(p->n - p->sent); /* nobody takes it any more */
    if (w <= 0) return rewatch(&p->pipe, 0), rewatch(&p->port, EPOLLOUT);
    p->sent += (size_t)w;
  }
}
static void on_pump(struct src *s, unsigned events) { (void)events, pump(s->of); }
static int vsock_call(unsigned number) {
  struct sockaddr_vm host = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = number};
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (void *)&host, sizeof host) || fcntl(fd, F_SETFL, O_NONBLOCK)) return shut(fd), -1;
  return fd;
}
static void start(struct ref ref, const struct msg *m) {
  int out[2], err[2], failed; if (box) return answer_error(ref, "wrong_state", "it is started already");
  box = make(sizeof *box), box->next = boxes, boxes = box, box->phase = PARTIAL; snprintf(box->id, sizeof box->id,
      "%s", get(m, "id"));
  box->inc = get_num(m, "inc", 0); if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) return answer_error(ref,
      "internal", "pipe");
  for (unsigned i = 0; vsock && i < 2; i++) /* a restored machine's connections would be dead: made with the order */
    if ((pumps[i].port.fd = vsock_call(i + 2)) < 0) return answer_error(ref, "internal", "vsock");
  fchmod(out[1], 0666), fchmod(err[1], 0666); /* so that a program of any user can open /dev/stdout again */
  failed = identity(m) || network(m) || root(m) || group(m) || program(m, out[1], err[1]);
  close(out[1]), close(err[1]);
  for (int i = 0; i < 2; i++) {
    int fd = i ? err[0] : out[0]; fcntl(fd, F_SETFL, O_NONBLOCK);
    pumps[i].port.fn = on_pump, pumps[i].port.of = &pumps[i], watch(&pumps[i].pipe, fd, EPOLLIN, on_pump, &pumps[i]);
  }
  if (!failed) box->phase = RUNNING;
  answer_done(ref, failed);
}
static void stats(struct ref ref) {
  struct buf b = {0}; struct statvfs v; bool known = !statvfs("/upper", &v);
  num(&b, "cpuUs", group_number("cpu.stat", "usage_usec")), num(&b, "memory", group_number("memory.current", ""));
  num(&b, "pids", group_number("pids.current", "")), num(&b, "disk", known
      ? (i64)(v.f_blocks - v.f_bfree) * (i64)v.f_frsize : 0);
  answer(ref, M_OK, &b), free(b.p);
}
static bool process_put(struct buf *b, pid_t pid) {
  char status[4096], command[512], *uid, *ppid, *rss, *name, *at; struct proc p;
  if (!proc_stat(pid, &p) || read_file(AT_FDCWD, str("/proc/%d/status", pid), status, sizeof status) <= 0) return false;
  ssize_t n = read_file(AT_FDCWD, str("/proc/%d/cmdline", pid), command, sizeof command);
  uid = strstr(status, "\nUid:"), ppid = strstr(status, "\nPPid:"), rss = strstr(status, "\nVmRSS:"),
      name = strstr(status, "Name:");
  for (ssize_t i = 0; i + 1 < n; i++) command[i] = command[i] ? command[i] : ' ';
  if (n <= 0 && name && (at = strchr(name, '\n'))) *at = 0, snprintf(command, sizeof command, "[%s]", name + 6),
      *at = '\n';
  num(b, "pid", pid), num(b, "ppid", ppid ? atoi(ppid + 6) : 0), num(b, "uid", uid ? atoi(uid + 5) : 0), num(b, "rss",
      rss ? atoll(rss + 7) * 1024 : 0);
  return text(b, "state", str("%c", p.state)), text(b, "command", command), true;
}
static _Noreturn void processes_worker(int fd, uint32_t id) { /* as the program sees them */
  struct buf b = {0}; fcntl(sock = fd, F_SETFL, 0), signal(SIGPIPE, SIG_IGN); DIR *d = NULL;
  if (!setns(pidfd_open(box->pid), CLONE_NEWNS)) d = opendir("/proc");
  for (struct dirent *e; d && (e = readdir(d)); b.n = 0)
    if (atoi(e->d_name) > 0 && process_put(&b, atoi(e->d_name))) tell(M_ITEM, id, b.p, b.n);
  tell(M_OK, id, NULL, 0), leave();
}
static _Noreturn void guest_files(int fd, uint32_t id) {
  struct buf b = {0}; fcntl(sock = fd, F_SETFL, 0), signal(SIGPIPE, SIG_IGN), umask(0);
  self_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int refused = cgroup_join("") || setns(pidfd_open(box->pid), CLONE_NEWNS) || (root_fd = open("/",
      O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0
                    ? fail_errno("joining the sandbox") : drop_rights();
  if (refused) put_failure(&b);
  tell(refused ? M_ERROR : M_OK, id, b.p, b.n); if (refused) leave(); serve_files();
}
static void worker(struct conn *c, unsigned kind, uint32_t id) { /* has the connection for itself */
  pid_t pid = fork(); int keep[1] = {c->src.fd};
  if (pid == 0) { enter_child(keep, 1); if (kind == M_FILES) guest_files(keep[0], id); processes_worker(keep[0], id); }
  if (pid < 0) return answer_error((struct ref){c->serial, id}, "at_capacity", "too many orders at once");
  conn_close(c);
}
static void box_request(struct conn *c, struct ref ref, const struct msg *m) {
  struct exec *e = exec_find(box, get(m, "exec")); i64 sig = get_num(m, "signal", -1); struct buf b = {0};
  bool about_exec = m->type == M_ATTACH || m->type == M_SIGNAL_EXEC || m->type == M_RESIZE_EXEC;
  if (m->type == M_EXECS) {
    for (struct exec *x = box->execs; x; x = x->next, b.n = 0) exec_put(&b, x), answer(ref, M_ITEM, &b);
    free(b.p); return answer(ref, M_OK, NULL);
  }
  if (about_exec && (!e || !e->running)) return answer_error(ref, "exec_not_found", "there is no such command here");
  if (m->type == M_ATTACH) return exec_attach(c, m->id, e);
  if (box->phase != RUNNING) return answer_error(ref, "wrong_state", "the sandbox is not running");
  if (m->type == M_STATS) return stats(ref);
  if (m->type == M_FILES || m->type == M_PROCESSES) return worker(c, m->type, m->id);
  if (m->type == M_EXEC && (e || !*get(m, "exec"))) return answer_error(ref, "invalid_request", "exec");
  if (m->type == M_EXEC) return exec_request(ref, box, m);
  if (e ? exec_control(e, m) : sig < 1 || sig > 64) return answer_error(ref, "invalid_request", "signal");
  if (!e && kill(box->pid, (int)sig) && errno != ESRCH) return answer_error(ref, "internal", strerror(errno));
  answer(ref, M_OK, NULL);
}
static void request(struct conn *c, const struct msg *m) {
  struct ref ref = {c->serial, m->id}; struct buf b = {0};
  if (m->n > 0 && m->p[m->n - 1] != 0) return conn_close(c);
  if (m->type == M_HELLO) { num(&b, "v", PROTOCOL_VERSION), num(&b, "inc", box ? box->inc : 0), answer(ref, M_OK, &b),
      free(b.p); return; }
  if (m->type == M_START) return start(ref, m);
  if (!box) return answer_error(ref, "wrong_state", "it is not started");
  box_request(c, ref, m);
}
/* How it ended goes to a small disk of its own, which outlives the machine and can not grow. */
static void ended(int status) {
  struct buf b = {0}; struct exit_info e = exit_now(status, NULL); e.oom = cgroup_ooms("") > 0 && (e.sig || e.code);
  box->phase = EXITED, over = mono_ms(), put_exit(&b, &e), num(&b, "inc", box->inc);
  char sector[512] = {0}; memcpy(sector, b.p, b.n < sizeof sector - 1 ? b.n : sizeof sector - 1); free(b.p);
  int fd = open("/dev/vdb", O_WRONLY | O_SYNC | O_CLOEXEC); if (fd >= 0) write_all(fd, sector, sizeof sector);
  shut(fd);
}
static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (box && box->phase == RUNNING && pid == box->pid) { ended(status); continue; }
    if (exec_reaped(pid, status)) continue;
    orphans[norphans % ORPHANS_MAX].pid = pid, orphans[norphans % ORPHANS_MAX].status = status;
    orphans[norphans++ % ORPHANS_MAX].at = mono_ms();
  }
}
static void on_signal(struct src *s, unsigned events) {
  struct signalfd_siginfo info; (void)events; while (read(s->fd, &info, sizeof info) == sizeof info) {}
  reap();
}
static bool all_told(void) { /* what it and its commands printed has left the machine */
  bool told = pumps[0].flushed && pumps[1].flushed;
  for (struct exec *e = box->execs; e; e = e->next) told &= !e->conn;
  for (struct stream *s = streams; s; s = s->next) told &= !(s->src.fd >= 0 && mux_out.n > mux_sent);
  return told || (pumps[0].flushed && pumps[1].flushed && mono_ms() - over > LAST_WORDS_MS);
}
static void loop(void) {
  struct epoll_event events[EVENTS_MAX];
  while (!over || !all_told()) {
    i64 wait = box ? execs_tick(box, mono_ms()) : -1; if (over && (wait < 0 || wait > 50)) wait = 50;
    for (size_t i = 0; i < graves.n / sizeof(void *); i++) free(((void **)graves.p)[i]);
    graves.n = 0; int n = epoll_wait(epoll_fd, events, EVENTS_MAX, (int)(wait > 60000 ? 60000 : wait));
    for (int i = 0; i < n; i++) { struct src *s = events[i].data.ptr; if (s->fd >= 0) s->fn(s, events[i].events); }
    if (port.fd >= 0) mux_flush();
  }
}
static void on_call(struct src *s, unsigned events) { /* the host is one caller at a time: the newest */
  int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); (void)events; if (fd < 0) return;
  mux_reset(), consume(&mux_in, mux_in.n), welcome = false, drop(&port);
  watch(&port, fd, EPOLLIN | EPOLLOUT | EPOLLET, on_port, NULL);
}
static int vsock_listen(void) {
  struct sockaddr_vm any = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = 1};
  int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (void *)&any, sizeof any) || listen(fd, 8)) return -1;
  return port.fd = -1, watch(&calls, fd, EPOLLIN, on_call, NULL), 0;
}
static int load_modules(void) { /* in the order in which the kit has named them */
  struct dirent **names; int n = scandir("/modules", &names, NULL, alphasort), failed = 0;
  for (int i = 0; i < n; i++) {
    bool unused = *names[i]->d_name == '.' || (strstr(names[i]->d_name, "vsock") && !vsock);
    int fd = unused ? -1 : open(str("/modules/%s", names[i]->d_name), O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST) failed = (fprintf(stderr, "arc: %s: %m\n",
        names[i]->d_name), -1);
    shut(fd);
  }
  return failed;
}
/* Devices and ports are told of by the kernel's own threads: they are there some time after their module. */
static int await_device(const char *path, int flags) {
  int fd; for (int tries = 0; (fd = open(path, flags | O_CLOEXEC)) < 0 && tries < DEVICE_TRIES_MAX;
      tries++) usleep(1000);
  return fd;
}
static int boot(void) {
  sigset_t set; umask(022), signal(SIGPIPE, SIG_IGN);
  mount("dev", "/dev", "devtmpfs", 0, NULL), mount("proc", "/proc", "proc", 0, NULL), mount("sys", "/sys", "sysfs", 0,
      NULL);
  int console = open("/dev/console", O_RDWR | O_NOCTTY); if (console < 0) console = open("/dev/null", O_RDWR);
  for (int i = 0; console >= 0 && i < 3; i++) dup2(console, i);
  write_text("/proc/sys/vm/overcommit_memory", "1"); /* what is too much ends by the limit, as at any other level */
  char line[4096]; vsock = read_file(AT_FDCWD, "/proc/cmdline", line, sizeof line) > 0 &&
      strstr(line, "arc.channel=vsock");
  if (load_modules() || mount("cgroup", "/cg", "cgroup2", 0, NULL) || write_text("/cg/cgroup.subtree_control",
      "+memory +pids +cpu")) return -1;
  shut(await_device("/dev/vda", O_RDONLY)); if (mount("/dev/vda", "/low", "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID,
      "")) return -1;
  close(fd_floor = open("/dev/null", O_RDONLY | O_CLOEXEC)), sigemptyset(&set), sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watch(&signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN, on_signal, NULL);
  if (data_dir = "/run", vsock) return vsock_listen();
  for (int i = 0; i < 2; i++) if ((pumps[i].port.fd = await_device(str("/dev/vport0p%d", i + 2),
      O_WRONLY | O_NONBLOCK)) < 0) return -1;
  int fd = await_device("/dev/vport0p1", O_RDWR | O_NONBLOCK); if (fd < 0) return -1;
  watch(&port, fd, EPOLLIN | EPOLLOUT | EPOLLET, on_port, NULL); return 0;
}
int main(void) {
  if (getpid() != 1) return fprintf(stderr, "arc-guest is the first program of a virtual machine\n"), 64;
  if (boot()) fprintf(stderr, "arc: the machine can not be set up: %m\n");
  else loop();
  sync(), reboot(RB_AUTOBOOT); /* the machine is told to end then, and not to begin again */
  for (;;) pause();
}
