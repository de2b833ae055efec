/*
 * Making and unmaking one sandbox, in a worker: namespaces, veth, cgroup, the root mounted inside a mount namespace of
 * its own, then the runtime. Whatever was made is undone when a later step fails.
 */
#include "arc.h"
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#define LOWERS_MAX 200
#define ARGS_MAX 256
#define FD_USER 100
#define FD_NET 101

/* A user namespace and a network namespace that it owns; with one it doesn't own, crun binds the host's /sys in. */
static int make_namespaces(const struct msg *o, int *user, int *net) {
  char path[64], map[64];
  int failed = -1;
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  if (pid < 0) return fail_errno("making the user and network namespaces");
  snprintf(map, sizeof map, "0 %lld %lld", (long long)get_int(o, "hostBase", -1), (long long)get_int(o, "idCount", -1));
  snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
  if (!write_file(AT_FDCWD, path, map, 0)) {
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    failed = write_file(AT_FDCWD, path, map, 0);
  }
  if (failed) fail_errno("writing the id map");
  snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
  *user = open(path, O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
  *net = open(path, O_RDONLY | O_CLOEXEC);
  if (!failed && (*user < 0 || *net < 0)) failed = fail_errno("opening the namespaces");
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return failed;
}

static int copy_sparse(const char *from, const char *to, int64_t bytes) {
  struct stat st;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r = -1;
  if (in < 0 || out < 0 || fstat(in, &st)) fail_errno(in < 0 ? from : to);
  else if (st.st_size != bytes) fail("invalid_request", "%s is not of the size asked for", from);
  else if (ioctl(out, FICLONE, in) == 0) r = 0;
  else if (ftruncate(out, st.st_size)) fail_errno(to);
  else {
    r = 0;
    for (off_t at = 0, end; !r && (at = lseek(in, at, SEEK_DATA)) >= 0; at = end) {
      end = lseek(in, at, SEEK_HOLE);
      for (off_t i = at, k = at; i < end;)
        if (copy_file_range(in, &i, out, &k, (size_t)(end - i), 0) <= 0) {
          r = fail_errno(to);
          break;
        }
    }
  }
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return r;
}

static int mount_image(const char *image, const char *at) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd = open(image, O_RDWR | O_CLOEXEC);
  if (control < 0 || fd < 0) return fail_errno(control < 0 ? "/dev/loop-control" : image);
  for (int tries = 0; tries < 64; tries++) { /* another may take the same free device first */
    char device[32];
    int n = ioctl(control, LOOP_CTL_GET_FREE), loop;
    snprintf(device, sizeof device, "/dev/loop%d", n);
    if (n < 0 || (loop = open(device, O_RDWR | O_CLOEXEC)) < 0) return fail_errno("a loop device");
    struct loop_config config = {.fd = (unsigned)fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
    if (ioctl(loop, LOOP_CONFIGURE, &config) == 0) {
      int r = mount(device, at, "ext4", MS_NOSUID | MS_NODEV, "") ? fail_errno("mounting the writable layer") : 0;
      close(loop);
      return r;
    }
    int busy = errno == EBUSY;
    close(loop);
    if (!busy) return fail_errno("configuring a loop device");
  }
  return fail("host_unfit", "no loop device was free after many tries");
}

static int mount_lower(const char *dir, int index, int user, bool idmap) {
  char name[16];
  snprintf(name, sizeof name, "l%d", index);
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | O_CLOEXEC);
  if (tree < 0) return fail_errno(dir);
  struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  if (idmap) a.attr_set |= MOUNT_ATTR_IDMAP, a.userns_fd = (uint64_t)user;
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &a, sizeof a)) {
    int e = errno;
    close(tree);
    if (idmap) return fail("idmap_unsupported", "%s can not be mounted with other ids: %s", dir, strerror(e));
    return errno = e, fail_errno(dir);
  }
  int r = mkdir(name, 0755) || syscall(SYS_move_mount, tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH);
  close(tree);
  return r ? fail_errno(dir) : 0;
}

/* The root of the sandbox, at rootMount in this process's own mount namespace and nowhere else. */
static int mount_root(const struct msg *o, const char *image, int user) {
  const char *lowers[LOWERS_MAX], *root = get(o, "rootMount"), *idmap = get(o, "idmap");
  char options[4096] = "lowerdir=", size[128];
  bool memory = !strcmp(get(o, "upperKind"), "memory");
  int n = 0;
  for (const char *l = NULL; (l = next_value(o, "lower", l));) {
    if (n == LOWERS_MAX) return fail("invalid_request", "more than %d layers", LOWERS_MAX);
    lowers[n++] = l;
  }
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return fail_errno("mount namespace");
  if (mount("arc", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") || chdir(root)) return fail_errno(root);
  for (int i = n - 1; i >= 0; i--) { /* overlayfs wants the highest first */
    if (mount_lower(lowers[i], i, user, !strcmp(idmap, "mount"))) return -1;
    snprintf(options + strlen(options), sizeof options - strlen(options), "%sl%d", i == n - 1 ? "" : ":", i);
  }
  snprintf(size, sizeof size, "size=%lld,nr_inodes=%lld,mode=755", (long long)get_int(o, "upperBytes", 0),
           (long long)get_int(o, "upperInodes", 0));
  if (mkdir("u", 0755) || mkdir("m", 0755)) return fail_errno("scratch");
  if (memory && mount("arc", "u", "tmpfs", MS_NOSUID | MS_NODEV, size)) return fail_errno("mounting a memory layer");
  if (!memory && mount_image(image, "u")) return -1;
  if ((mkdir("u/u", 0755) == 0) && chown("u/u", (uid_t)get_int(o, "hostBase", 0), (gid_t)get_int(o, "hostBase", 0)))
    return fail_errno("writable layer");
  if (mkdir("u/w", 0755) && errno != EEXIST) return fail_errno("writable layer");
  strcat(options, ",upperdir=u/u,workdir=u/w");
  if (mount("overlay", "m", "overlay", MS_NOSUID | MS_NODEV, options)) return fail_errno("mounting the root");
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "m", OPEN_TREE_CLONE | O_CLOEXEC);
  if (tree < 0 || chdir("/") || umount2(root, MNT_DETACH) ||
      syscall(SYS_move_mount, tree, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH))
    return fail_errno("placing the root");
  close(tree);
  return 0;
}

/* Ends in the runtime's exec; what goes wrong before is written to `report` as code and message. */
static _Noreturn void become_runtime(const struct msg *o, const char *dir, int user, int net, int report) {
  char *argv[ARGS_MAX + 1] = {0}, *image = path_of(dir, "upper.img"), *out = path_of(dir, "stdout"),
       *err = path_of(dir, "stderr");
  static char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  int n = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const char *a = NULL; (a = next_value(o, "arg", a)) && n < ARGS_MAX;) argv[n++] = (char *)a;
  if (!mount_root(o, image, user) && !cgroup_join(get(o, "id"))) {
    int null = open("/dev/null", O_RDWR), fds[3] = {null, open(out, O_RDWR), open(err, O_RDWR)};
    setsid();
    if (null < 0 || fds[1] < 0 || fds[2] < 0) fail_errno("the log pipes");
    else {
      dup3(report, FD_NET + 1, O_CLOEXEC);
      report = FD_NET + 1;
      user = fcntl(user, F_DUPFD_CLOEXEC, FD_NET + 2), net = fcntl(net, F_DUPFD_CLOEXEC, FD_NET + 2);
      for (int i = 0; i < 3; i++) dup2(fds[i], i);
      dup2(user, FD_USER), dup2(net, FD_NET);
      syscall(SYS_close_range, 3, FD_USER - 1, 0);
      syscall(SYS_close_range, FD_NET + 2, ~0u, 0);
      execve(argv[0], argv, env);
      fail_errno(argv[0]);
    }
  }
  struct buf b = {0};
  put_failure(&b);
  if (write_all(report, b.p, b.n)) {}
  _exit(126);
}

/* Waits for the runtime: until it ends, or (where it stays) until its pid file is there. 0: the program runs. */
static int await_runtime(const struct msg *o, int dirfd, pid_t runtime, struct buf *result, pid_t *pid) {
  bool follow = !strcmp(get(o, "follow"), "runtime");
  int64_t until = mono_ms() + get_int(o, "timeoutMs", 30000);
  int fd = pidfd_open(runtime), status = 0;
  for (;;) {
    char text[32];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool named = read_file(dirfd, get(o, "pidFile"), text, sizeof text) > 0 && atoi(text) > 1;
    if (follow && named && waitpid(runtime, &status, WNOHANG) == 0) return *pid = runtime, 0;
    if (poll(&p, 1, follow ? 5 : 100) > 0 || status) break;
    if (mono_ms() > until) {
      kill(runtime, SIGKILL);
      waitpid(runtime, NULL, 0);
      return fail("timeout", "the runtime did not start the program in %lld ms",
                  (long long)get_int(o, "timeoutMs", 30000));
    }
  }
  if (!status) waitpid(runtime, &status, 0);
  char text[32];
  if (!follow && status == 0 && read_file(dirfd, get(o, "pidFile"), text, sizeof text) > 0 && atoi(text) > 1)
    return *pid = atoi(text), 0;
  if (WIFEXITED(status)) put(result, "exitCode", "%d", WEXITSTATUS(status));
  return fail("runtime_failed", "the runtime ended with %s %d", WIFSIGNALED(status) ? "signal" : "exit code",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void put_output(struct buf *result, const char *dir) {
  char text[OUTPUT_BYTES_MAX + 1], *path = path_of(dir, "stderr");
  ssize_t n = read_file(AT_FDCWD, path, text, sizeof text);
  for (ssize_t i = 0; i < n; i++)
    if (!text[i]) text[i] = '?';
  put(result, "output", "%s", n > 0 ? text : "");
  free(path);
}

static int run_runtime(const struct msg *o, const char *dir, int dirfd, int user, int net, struct buf *result,
                       pid_t *pid) {
  int report[2];
  char text[1024];
  if (pipe2(report, O_CLOEXEC)) return fail_errno("pipe");
  pid_t runtime = fork();
  if (runtime < 0) return fail_errno("fork");
  if (!runtime) become_runtime(o, dir, user, net, report[1]);
  close(report[1]);
  ssize_t n = read(report[0], text, sizeof text); /* nothing: exec went well and closed it */
  close(report[0]);
  struct msg m = {.p = text, .n = n > 0 ? (size_t)n : 0};
  const char *code = get(&m, "code"), *message = get(&m, "message");
  if (code && message) {
    waitpid(runtime, NULL, 0);
    return fail(code, "%s", message);
  }
  return await_runtime(o, dirfd, runtime, result, pid);
}

int box_start(const struct msg *o, struct buf *result) {
  const char *id = get(o, "id"), *dir = get(o, "dir");
  char *image = path_of(dir, "upper.img");
  bool memory = !strcmp(get(o, "upperKind"), "memory"), fresh = get_int(o, "fresh", 0) == 1;
  int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), user = -1, net = -1;
  struct stat st;
  pid_t pid = 0;
  uint64_t start = 0;
  if (dirfd < 0) return fail_errno(dir);
  unlinkat(dirfd, get(o, "pidFile"), 0);
  unlinkat(dirfd, "exit", 0);
  remove_tree(dirfd, "runtime", 16);
  if (fresh || memory) unlink(image);
  bool made = !memory && stat(image, &st);
  if (!made && !memory && st.st_size != get_int(o, "upperBytes", -1))
    return fail("invalid_request", "the writable layer has another size than asked for");
  if (mkdirat(dirfd, "runtime", 0700) && errno != EEXIST) return fail_errno("runtime");
  int failed = cgroup_make(id, get_int(o, "memory", 0), get_int(o, "cpuQuotaUs", 0), get_int(o, "pids", 0));
  if (!failed) failed = made && copy_sparse(get(o, "blank"), image, get_int(o, "upperBytes", 0));
  if (!failed) failed = make_namespaces(o, &user, &net) || net_make(o, net);
  if (!failed) failed = run_runtime(o, dir, dirfd, user, net, result, &pid);
  if (!failed && !proc_stat(pid, NULL, NULL, NULL, NULL, &start)) start = 0; /* already over; its code is known soon */
  if (!failed) {
    put(result, "pid", "%d", pid);
    put(result, "pidStart", "%llu", (unsigned long long)start);
    close(dirfd);
    return 0;
  }
  put(result, "oom", "%d", cgroup_ooms(id) > 0);
  struct buf why = {0};
  put_failure(&why); /* the undoing must not write over the reason */
  cgroup_kill(id, STOP_MS_MAX);
  cgroup_remove(id, STOP_MS_MAX);
  net_remove(get(o, "hostif"));
  put_output(result, dir);
  unlinkat(dirfd, get(o, "pidFile"), 0);
  remove_tree(dirfd, "runtime", 16);
  if (made) unlink(image);
  close(dirfd);
  add(result, why.p, why.n);
  return -1;
}

/* Everything in it ends; the writable layer and the journal stay. */
int box_stop(const struct sandbox *s) {
  if (s->phase == RUNNING && s->pid > 1) {
    uint64_t start = 0;
    int fd = pidfd_open(s->pid);
    if (fd >= 0 && proc_stat(s->pid, NULL, NULL, NULL, NULL, &start) && start == s->pid_start) pidfd_kill(fd, SIGKILL);
    if (fd >= 0) close(fd);
  }
  if (cgroup_kill(s->id, STOP_MS_MAX) || cgroup_remove(s->id, STOP_MS_MAX)) return -1;
  net_remove(s->hostif);
  char *runtime = path_of(s->dir, "runtime");
  int r = remove_tree(AT_FDCWD, runtime, 16);
  free(runtime);
  return r ? fail_errno("removing the runtime's state") : 0;
}

int box_destroy(const struct sandbox *s, const char *dir) {
  int failed = box_stop(s);
  struct buf why = {0};
  if (failed) put_failure(&why);
  for (int tries = 0; remove_tree(AT_FDCWD, dir, 32); tries++) { /* the loop may just be writing the exit into it */
    if (errno != ENOTEMPTY || tries == 100) return fail_errno(dir);
    usleep(1000);
  }
  struct msg m = {.p = why.p, .n = why.n};
  return failed ? fail(get(&m, "code"), "%s", get(&m, "message")) : 0;
}

/* The folder that holds `path`, made where it is missing; never above `root`, never through a link. */
static int parent_of(int root, const char *path, const char **name) {
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
  for (const char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
    char part[256];
    if (slash == path) continue;
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    if (!strcmp(part, "..") || slash - path > 255) return close(at), errno = EINVAL, -1;
    if (mkdirat(at, part, 0755) && errno != EEXIST) return close(at), -1;
    int next = (int)syscall(SYS_openat2, at, part, &how, sizeof how);
    close(at);
    at = next;
  }
  if (!*path || !strcmp(path, ".") || !strcmp(path, "..")) return at >= 0 ? close(at) : 0, errno = EINVAL, -1;
  *name = path;
  return at;
}

static int opaque(int at, const char *name) {
  struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof how);
  int r = fd < 0 ? -1 : fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0);
  if (fd >= 0) close(fd);
  return r;
}

int layer_marks(const struct msg *o) {
  const char *dir = get(o, "dir"), *name;
  int root = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  if (root < 0) return fail_errno(dir ? dir : "dir");
  for (const char *w = NULL; (w = next_value(o, "whiteout", w));) {
    int at = parent_of(root, w, &name);
    if (at < 0 || (mknodat(at, name, S_IFCHR, 0) && (errno != EEXIST || (opaque(at, name) && errno != ENOTDIR))))
      return fail("archive_refused", "the mark %.200s can not be made: %s", w, strerror(errno));
    close(at);
  }
  for (const char *w = NULL; (w = next_value(o, "opaque", w));) {
    bool top = !*w || !strcmp(w, ".");
    int at = top ? root : parent_of(root, w, &name);
    if (at >= 0 && !top && mkdirat(at, name, 0755) && errno != EEXIST) name = ".."; /* refused below */
    if (at < 0 || opaque(at, top ? "." : name))
      return fail("archive_refused", "the folder %.200s can not be made opaque: %s", w, strerror(errno));
    if (!top) close(at);
  }
  close(root);
  return 0;
}
