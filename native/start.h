/* Making and unmaking one sandbox, in a worker: namespaces, veth, cgroup, the root mounted inside a mount namespace of
 * its own, then the runtime. Whatever was made is undone when a later step fails. */
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
enum { LOWERS_MAX = 200, ARGS_MAX = 256, LOOP_TRIES_MAX = 64, STOP_MS_MAX = 10000 /* until what was killed is gone */ };
static int box_dir; /* the folder of the worker's sandbox */
static int sealed_fd; /* below the floor: the sealed copy of the runtime that was asked for last, or /dev/null */
/* crun makes a sealed copy of itself at each start and begins anew from that, so that nobody inside can write to it.
 * Run from such a copy it goes on at once: it is made here, and again whenever the file is another. */
static void seal(const struct msg *o) {
  static struct stat of;
  struct stat st; if (!is(o, "sealed", "1") || stat(get(o, "arg"), &st)) return;
  if (st.st_dev == of.st_dev && st.st_ino == of.st_ino && !memcmp(&st.st_ctim, &of.st_ctim, sizeof st.st_ctim)) return;
  int in = open(get(o, "arg"), O_RDONLY | O_CLOEXEC), fd = memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (sendfile(fd, in, NULL, (size_t)st.st_size) == st.st_size &&
      !fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
    dup3(fd, sealed_fd, O_CLOEXEC), of = st;
  shut(in), shut(fd);
}
static void exec_runtime(const struct msg *o, int sealed) { /* comes back only where neither can be run */
  char *argv[ARGS_MAX + 1] = {0}, *env[] = {RUNTIME_PATH, NULL}; list(o, "arg", argv, ARGS_MAX);
  if (is(o, "sealed", "1")) syscall(SYS_execveat, sealed, "", argv, env, AT_EMPTY_PATH);
  execve(argv[0], argv, env);
}
/* A user namespace and a network namespace that it owns; with one it doesn't own, crun binds the host's /sys in. */
static int hold(void *nothing) { for (prctl(PR_SET_PDEATHSIG, SIGKILL); !nothing;) pause(); return 0; }
static int make_namespaces(const struct msg *o, int *user, int *net) {
  static _Alignas(16) char stack[8192]; /* memory is shared: copying it is most of what a process costs */
  pid_t pid = clone(hold, stack + sizeof stack, CLONE_VM | CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, NULL);
  if (pid < 0) return fail_errno("making the user and network namespaces");
  char *map = str("0 %lld %lld", get_num(o, "hostBase", -1), get_num(o, "idCount", -1));
  int failed = write_text(str("/proc/%d/uid_map", pid), map) || write_text(str("/proc/%d/gid_map", pid), map) ||
               (*user = open(str("/proc/%d/ns/user", pid), O_RDONLY | O_CLOEXEC)) < 0 ||
               (*net = open(str("/proc/%d/ns/net", pid), O_RDONLY | O_CLOEXEC)) < 0;
  if (failed) fail_errno("setting up the user and network namespaces");
  kill(pid, SIGKILL), waitpid(pid, NULL, 0); return failed;
}
static int copy_sparse(const char *from, const char *to, i64 bytes) {
  struct stat st;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (in < 0 || out < 0 || fstat(in, &st)) return fail_errno(in < 0 ? from : to);
  if (st.st_size != bytes) return fail("invalid_request", "the blank layer is not of the size asked for");
  bool cloned = ioctl(out, FICLONE, in) == 0; if (!cloned && ftruncate(out, bytes)) return fail_errno(to);
  for (off_t at = 0, stop; !cloned && (at = lseek(in, at, SEEK_DATA)) >= 0; at = stop) {
    stop = lseek(in, at, SEEK_HOLE);
    for (off_t i = at, k = at; i < stop;)
      if (copy_file_range(in, &i, out, &k, (size_t)(stop - i), 0) <= 0) return fail_errno(to);
  }
  return close(in), close(out), 0;
}
static int mount_image(const char *image, const char *at) {
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd = open(image, O_RDWR | O_CLOEXEC), loop, n;
  if (control < 0 || fd < 0) return fail_errno(control < 0 ? "/dev/loop-control" : image);
  struct loop_config config = {.fd = (unsigned)fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
  for (int tries = 0; tries < LOOP_TRIES_MAX; tries++) { /* another may take the same free device first */
    if ((n = ioctl(control, LOOP_CTL_GET_FREE)) < 0) break;
    if ((loop = open(str("/dev/loop%d", n), O_RDWR | O_CLOEXEC)) < 0) break;
    if (ioctl(loop, LOOP_CONFIGURE, &config) == 0) {
      int r = mount(str("/dev/loop%d", n), at, "ext4", MS_NOSUID | MS_NODEV, "");
      return r ? fail_errno("mounting the writable layer") : close(loop);
    }
    if (errno != EBUSY) break;
    close(loop);
  }
  return fail_errno("a loop device for the writable layer");
}
static int mount_lower(const char *dir, const char *name, int user, bool idmap) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | O_CLOEXEC);
  struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  if (idmap) a.attr_set |= MOUNT_ATTR_IDMAP, a.userns_fd = (uint64_t)user;
  if (tree < 0) return fail_errno(dir);
  if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &a, sizeof a))
    return idmap ? fail("idmap_unsupported", str("%s: can't map ids: %s", dir, strerror(errno))) : fail_errno(dir);
  if (mkdir(name, 0755) || syscall(SYS_move_mount, tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH))
    return fail_errno(dir);
  return close(tree);
}
/* The root of the sandbox, at rootMount in this process's own mount namespace and nowhere else. */
static int mount_root(const struct msg *o, const char *image, int user) {
  char *lowers[LOWERS_MAX + 1], options[4096] = "lowerdir="; const char *root = get(o, "rootMount");
  uid_t base = (uid_t)get_num(o, "hostBase", 0); int n = list(o, "lower", lowers, LOWERS_MAX + 1), tree;
  if (n > LOWERS_MAX) return fail("invalid_request", "too many layers");
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return fail_errno("mount namespace");
  if (mount("arc", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") || chdir(root)) return fail_errno(root);
  for (int i = n - 1; i >= 0; i--) { /* overlayfs wants the highest first */
    if (mount_lower(lowers[i], str("l%d", i), user, is(o, "idmap", "mount"))) return -1;
    strcat(options, str("%sl%d", i == n - 1 ? "" : ":", i));
  }
  if (mkdir("u", 0755) || mkdir("m", 0755)) return fail_errno("scratch");
  char *size = str("size=%lld,nr_inodes=%lld,mode=755", get_num(o, "upperBytes", 0), get_num(o, "upperInodes", 0));
  bool memory = is(o, "upperKind", "memory");
  if (memory ? mount("arc", "u", "tmpfs", MS_NOSUID | MS_NODEV, size) && fail_errno("tmpfs") : mount_image(image, "u"))
    return -1;
  if ((mkdir("u/u", 0755) == 0 && chown("u/u", base, base)) || (mkdir("u/w", 0755) && errno != EEXIST))
    return fail_errno("writable layer");
  strcat(options, ",upperdir=u/u,workdir=u/w");
  if (mount("overlay", "m", "overlay", MS_NOSUID | MS_NODEV, options)) /* before 5.19 it takes no mapped layers */
    return errno == EINVAL && is(o, "idmap", "mount") ? fail("idmap_unsupported", "overlay") : fail_errno("overlay");
  if ((tree = (int)syscall(SYS_open_tree, AT_FDCWD, "m", OPEN_TREE_CLONE | O_CLOEXEC)) < 0 || chdir("/") ||
      umount2(root, MNT_DETACH) || syscall(SYS_move_mount, tree, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH))
    return fail_errno("placing the root");
  return close(tree);
}
/* Ends in the runtime's exec, or with a failure noted. The memory is the worker's, which waits until then. */
static _Noreturn void become_runtime(const struct msg *o, const char *dir, int user, int net) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!mount_root(o, str("%s/upper.img", dir), user) && !cgroup_join(get(o, "id"))) {
    int fds[3] = {open("/dev/null", O_RDWR), open(str("%s/stdout", dir), O_RDWR), open(str("%s/stderr", dir), O_RDWR)};
    setsid(); int sealed = dup3(sealed_fd, FD_NET + 1, O_CLOEXEC);
    user = fcntl(user, F_DUPFD_CLOEXEC, FD_NET + 2), net = fcntl(net, F_DUPFD_CLOEXEC, FD_NET + 2);
    if (fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0) {
      for (int i = 0; i < 3; i++) dup2(fds[i], i);
      dup2(user, FD_USER), dup2(net, FD_NET);
      syscall(SYS_close_range, 3, FD_USER - 1, 0), syscall(SYS_close_range, FD_NET + 2, ~0u, 0);
      exec_runtime(o, sealed);
    }
    fail_errno("running the runtime");
  }
  _exit(126);
}
/* Waits for the runtime: until it ends, or (where it stays) until its pid file is there. 0: the program runs. */
static int await_runtime(const struct msg *o, pid_t runtime, struct buf *result, pid_t *pid) {
  bool follow = is(o, "follow", "runtime"); i64 until = mono_ms() + get_num(o, "timeoutMs", 30000);
  int status = 0; struct pollfd p = {.fd = pidfd_open(runtime), .events = POLLIN};
  for (;;) {
    bool over = poll(&p, 1, follow ? 5 : 100) > 0; /* a runtime that is the program is reaped by the helper itself */
    if (follow && named_pid(box_dir, get(o, "pidFile"))) return *pid = runtime, 0;
    if (over) break;
    if (mono_ms() <= until) continue;
    kill(runtime, SIGKILL), waitpid(runtime, NULL, 0);
    return fail("timeout", str("the runtime did not start the program in %lld ms", get_num(o, "timeoutMs", 30000)));
  }
  waitpid(runtime, &status, 0); *pid = !follow && status == 0 ? named_pid(box_dir, get(o, "pidFile")) : 0;
  if (*pid && cgroup_holds(get(o, "id"), *pid)) return 0;
  if (*pid && kill(*pid, 0)) return 0; /* it is over already */
  if (WIFEXITED(status)) num(result, "exitCode", WEXITSTATUS(status));
  return fail("runtime_failed", str("the runtime ended with %s %d", WIFSIGNALED(status) ? "signal" : "exit code",
                                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
}
static void put_words(struct buf *result, char *words, ssize_t n) { /* what a runtime said, as one value */
  for (ssize_t i = 0; i < n; i++) words[i] = words[i] ? words[i] : '?';
  text(result, "output", n > 0 ? words : "");
}
static int run_runtime(const struct msg *o, const char *dir, int user, int net, struct buf *result, pid_t *pid) {
  *failed_code = 0; pid_t runtime = vfork(); if (runtime < 0) return fail_errno("vfork");
  if (!runtime) become_runtime(o, dir, user, net);
  return *failed_code ? (waitpid(runtime, NULL, 0), -1) : await_runtime(o, runtime, result, pid);
}
static int box_start(const struct msg *o, struct buf *result) {
  const char *id = get(o, "id"), *dir = get(o, "dir"); char image[PATH_MAX], words[OUTPUT_BYTES_MAX + 1];
  bool memory = is(o, "upperKind", "memory"), made; int user = -1, net = -1; struct stat st; struct proc p = {0};
  pid_t pid = 0; if ((box_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) return fail_errno(dir);
  snprintf(image, sizeof image, "%s/upper.img", dir);
  unlinkat(box_dir, get(o, "pidFile"), 0), unlinkat(box_dir, "exit", 0), remove_tree(box_dir, "runtime", 16);
  if (memory || get_num(o, "fresh", 0) == 1) unlink(image);
  made = !memory && stat(image, &st);
  if (!made && !memory && st.st_size != get_num(o, "upperBytes", -1))
    return fail("invalid_request", "the writable layer has another size than asked for");
  if (mkdirat(box_dir, "runtime", 0700) && errno != EEXIST) return fail_errno("runtime");
  if (!cgroup_make(id, o) && !(made && copy_sparse(get(o, "blank"), image, get_num(o, "upperBytes", 0))) &&
      !make_namespaces(o, &user, &net) && !net_make(o, net) && !run_runtime(o, dir, user, net, result, &pid)) {
    proc_stat(pid, &p); /* where it is over already, its code is known soon */
    num(result, "pid", pid), num(result, "pidStart", (i64)p.start); return 0;
  }
  put_failure(result), num(result, "oom", cgroup_ooms(id) > 0); /* before the undoing can fail, too */
  cgroup_kill(id, STOP_MS_MAX), cgroup_remove(id, STOP_MS_MAX), net_remove(get(o, "hostif"));
  put_words(result, words, read_file(box_dir, "stderr", words, sizeof words));
  unlinkat(box_dir, get(o, "pidFile"), 0), remove_tree(box_dir, "runtime", 16); if (made) unlink(image); return -1;
}
/* Everything in it ends; the writable layer and the journal stay. `pid` is 0 where its first process has ended. */
static int box_stop(const char *id, const char *dir, const char *hostif, pid_t pid, uint64_t start) {
  struct proc p; int fd = pid ? pidfd_open(pid) : -1;
  bool there = fd >= 0 && proc_stat(pid, &p) && p.start == start; if (there) pidfd_kill(fd, SIGKILL);
  if (cgroup_kill(id, STOP_MS_MAX) || cgroup_remove(id, STOP_MS_MAX)) return -1;
  struct pollfd ended = {.fd = fd, .events = POLLIN};
  if (there && poll(&ended, 1, STOP_MS_MAX) < 1) return fail("internal", "the sandbox's first process does not end");
  net_remove(hostif);
  return remove_tree(AT_FDCWD, str("%s/runtime", dir), 16) ? fail_errno("removing the runtime's state") : 0;
}
