/*
 * A file session, in a worker that has joined the sandbox: its mount namespace, uid 0 of its user namespace, no
 * capability but those over files. Paths resolve beneath the root by openat2; nothing outside of it can be named.
 */
#include "arc.h"
#include <linux/capability.h>
#include <linux/openat2.h>
#include <grp.h>
#include <sched.h>

#define REMOVE_DEPTH_MAX 256
#define READ_WINDOW_CHUNKS 16 /* then the reader says `continue` */

static int sock, root_fd, self_fds, temp_dir = -1;
static char temp[64]; /* in `temp_dir`: what a write has not finished yet */
static struct buf in;

/* The client is gone: it leaves nothing half done behind. */
static _Noreturn void leave(void) {
  if (temp_dir >= 0) unlinkat(temp_dir, temp, 0);
  _exit(0);
}

static void say(unsigned type, uint32_t id, const void *p, size_t n) {
  struct buf b = {0};
  frame(&b, type, id, p, n);
  if (write_all(sock, b.p, b.n)) leave();
  free(b.p);
}

static void listen_for(struct msg *m) {
  static size_t used;
  char data[CHUNK_BYTES];
  consume(&in, used), used = 0;
  for (int r; (r = parse(&in, 0, m)) != 1;) {
    ssize_t n = r < 0 ? 0 : recv(sock, data, sizeof data, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) leave();
    add(&in, data, (size_t)n);
  }
  used = HEADER_BYTES + m->n;
}

static int refuse(const char *path) {
  int e = errno;
  const char *code = e == ENOENT || e == ENOTDIR                              ? "file_not_found"
                     : e == EACCES || e == EPERM || e == EROFS                ? "file_denied"
                     : e == ENOSPC || e == EDQUOT                             ? "disk_full"
                                                                              : "file_refused";
  return fail(code, "%.400s: %s", path, strerror(e));
}

static int beneath(int dir, const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
  for (int tries = 0; fd < 0 && errno == EAGAIN && tries < 32; tries++) /* something was renamed meanwhile */
    fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
  return fd;
}

/* The folder that holds `path` and the last name in it. */
static int parent_of(const char *path, char *name) {
  char dir[PATH_MAX];
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  size_t cut = n;
  while (cut > 0 && path[cut - 1] != '/') cut--;
  if (n >= sizeof dir || n - cut > NAME_MAX) return errno = ENAMETOOLONG, -1;
  snprintf(name, NAME_MAX + 1, "%.*s", (int)(n - cut), path + cut);
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) return errno = EISDIR, -1;
  snprintf(dir, sizeof dir, "%.*s", (int)cut, path);
  return beneath(root_fd, cut ? dir : "/", O_PATH | O_DIRECTORY);
}

/* A second, real opening of what was looked at: the object that was checked, whatever its name is by now. */
static int reopen(int fd, int flags) {
  char name[16];
  snprintf(name, sizeof name, "%d", fd);
  return openat(self_fds, name, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static void put_stat(struct buf *b, const char *name, int dir, const char *at, const struct stat *st) {
  char target[PATH_MAX];
  ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(dir, at, target, sizeof target - 1) : -1;
  put(b, "name", "%s", name);
  put(b, "type", "%s", S_ISREG(st->st_mode) ? "file" : S_ISDIR(st->st_mode) ? "dir" : S_ISLNK(st->st_mode) ? "symlink" : "other");
  put(b, "size", "%lld", (long long)st->st_size);
  put(b, "mode", "%u", st->st_mode & 07777);
  put(b, "uid", "%u", st->st_uid);
  put(b, "gid", "%u", st->st_gid);
  put(b, "mtimeNs", "%lld", (long long)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec);
  if (n >= 0) target[n] = 0, put(b, "target", "%s", target);
}

static int do_stat(const struct msg *m, const char *path, struct buf *b) {
  struct stat st;
  int fd = beneath(root_fd, path, O_PATH | (get_int(m, "follow", 0) ? 0 : O_NOFOLLOW));
  if (fd < 0 || fstat(fd, &st)) return refuse(path);
  const char *name = strrchr(path, '/');
  put_stat(b, name ? name + 1 : path, fd, "", &st);
  close(fd);
  return 0;
}

static int do_list(const struct msg *m, const char *path) {
  struct stat st;
  int fd = beneath(root_fd, path, O_RDONLY | O_DIRECTORY);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  if (!d) return refuse(path);
  for (struct dirent *e; (e = readdir(d));) {
    struct buf b = {0};
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    put_stat(&b, e->d_name, fd, e->d_name, &st);
    say(M_ITEM, m->id, b.p, b.n);
    free(b.p);
  }
  closedir(d);
  return 0;
}

static int do_read(const struct msg *m, const char *path) {
  static char data[CHUNK_BYTES];
  struct stat st;
  struct msg next;
  uint32_t id = m->id;
  int look = beneath(root_fd, path, O_PATH);
  if (look < 0 || fstat(look, &st)) return refuse(path);
  if (!S_ISREG(st.st_mode)) return fail("file_refused", "%.400s is not a regular file", path);
  int fd = reopen(look, O_RDONLY), chunks = 0;
  if (fd < 0) return refuse(path);
  close(look);
  for (ssize_t n;;) {
    if ((n = read(fd, data, sizeof data)) < 0) return refuse("reading"), close(fd), -1;
    if (n == 0) break;
    say(M_DATA, id, data, (size_t)n);
    if (++chunks % READ_WINDOW_CHUNKS) continue;
    listen_for(&next);
    if (next.type != M_CONTINUE) break; /* it has seen enough */
  }
  close(fd);
  return 0;
}

/* Content goes to a new file beside the old one, which it then replaces at once or not at all. */
static int do_write(const struct msg *m, const char *path) {
  static unsigned serial;
  char name[NAME_MAX + 1];
  struct stat old;
  struct msg part;
  uint32_t id = m->id;
  mode_t mode = (mode_t)get_int(m, "mode", 0644) & 07777;
  int dir = parent_of(path, name), fd = -1, failed = dir < 0 ? refuse(path) : 0;
  snprintf(temp, sizeof temp, ".arc-%d-%u.tmp", getpid(), serial++);
  bool was = !failed && fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (was && !S_ISREG(old.st_mode) && !S_ISLNK(old.st_mode))
    failed = fail("file_refused", "%.400s is there and is not a regular file", path);
  if (!failed && (fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
    failed = refuse(path);
  temp_dir = fd >= 0 ? dir : -1;
  if (!failed) say(M_CONTINUE, id, NULL, 0);
  while (!failed) {
    listen_for(&part);
    if (part.type == M_END) break;
    if (part.type != M_DATA) failed = fail("file_refused", "the upload was given up");
    else if (write_all(fd, part.p, part.n)) failed = refuse(path);
  }
  if (!failed && was && S_ISREG(old.st_mode) && fchown(fd, old.st_uid, old.st_gid)) failed = refuse(path);
  if (!failed && (fchmod(fd, mode) || renameat(dir, temp, dir, name))) failed = refuse(path);
  if (failed && fd >= 0) unlinkat(dir, temp, 0);
  temp_dir = -1;
  if (fd >= 0) close(fd);
  if (dir >= 0) close(dir);
  return failed;
}

static int do_change(const struct msg *m, const char *path, struct buf *b) {
  char name[NAME_MAX + 1];
  struct stat st;
  const char *target = get(m, "target");
  int dir = parent_of(path, name), r = 0;
  if (dir < 0) return refuse(path);
  if (m->type == M_MKDIR) {
    r = mkdirat(dir, name, 0700);
    put(b, "made", "%d", r == 0);
    if (r == 0) r = fchmodat(dir, name, (mode_t)get_int(m, "mode", 0755) & 07777, 0);
    else if (errno == EEXIST && !fstatat(dir, name, &st, 0) && S_ISDIR(st.st_mode)) r = 0;
    else if (errno == EEXIST) errno = EEXIST;
  } else if (m->type == M_SYMLINK) r = target ? symlinkat(target, dir, name) : (errno = EINVAL, -1);
  else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) r = -1;
  else if (get_int(m, "recursive", 0)) r = remove_tree(dir, name, REMOVE_DEPTH_MAX);
  else r = unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
  if (r) refuse(path);
  close(dir);
  return r ? -1 : 0;
}

static void serve(void) {
  struct msg m;
  for (;;) {
    struct buf b = {0};
    int r;
    listen_for(&m);
    if (m.type == M_CONTINUE || m.type == M_DATA || m.type == M_END) continue; /* of what was refused or is over */
    if (m.n > 0 && m.p[m.n - 1] != 0) _exit(0);
    uint32_t id = m.id;
    char *path = strdup(get(&m, "path") ? get(&m, "path") : "");
    if (path[0] != '/' || strlen(path) >= PATH_MAX) r = fail("invalid_request", "path");
    else if (m.type == M_STAT) r = do_stat(&m, path, &b);
    else if (m.type == M_DIR) r = do_list(&m, path);
    else if (m.type == M_READ) r = do_read(&m, path);
    else if (m.type == M_WRITE) r = do_write(&m, path);
    else if (m.type == M_MKDIR || m.type == M_SYMLINK || m.type == M_REMOVE) r = do_change(&m, path, &b);
    else _exit(0);
    if (r) b.n = 0, put_failure(&b);
    say(r ? M_ERROR : M_OK, id, b.p, b.n);
    free(b.p), free(path);
  }
}

/* uid 0 of a user namespace with the sandbox's ids: its own, or (where the runtime is in ours) one made alike. */
static int join_users(int pidfd, const struct sandbox *s, bool same, int proc) {
  int ready[2], done[2], status;
  char byte = 0, path[64], map[64];
  if (!same) return setns(pidfd, CLONE_NEWUSER);
  if (pipe2(ready, O_CLOEXEC) || pipe2(done, O_CLOEXEC)) return -1;
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    int r = read(ready[0], &byte, 1) != 1;
    snprintf(map, sizeof map, "0 %lld %lld", (long long)s->host_base, (long long)s->id_count);
    snprintf(path, sizeof path, "%d/uid_map", parent);
    r = r || write_file(proc, path, map, 0);
    snprintf(path, sizeof path, "%d/gid_map", parent);
    r = r || write_file(proc, path, map, 0);
    _exit(r);
  }
  if (pid < 0 || unshare(CLONE_NEWUSER)) return -1;
  if (write(ready[1], &byte, 1) != 1 || waitpid(pid, &status, 0) != pid) return -1;
  close(ready[0]), close(ready[1]), close(done[0]), close(done[1]);
  return status ? (errno = EPERM, -1) : 0;
}

static int join(const struct sandbox *s, const char *root) {
  char ours[64], theirs[64], path[64];
  uint64_t start = 0;
  int pidfd = pidfd_open(s->pid), proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  self_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (pidfd < 0 || proc < 0 || self_fds < 0 || !proc_stat(s->pid, NULL, NULL, NULL, NULL, &start) || start != s->pid_start)
    return fail("wrong_state", "the sandbox is not running");
  snprintf(path, sizeof path, "%d/ns/user", s->pid);
  ssize_t a = readlinkat(proc, "self/ns/user", ours, sizeof ours), b = readlinkat(proc, path, theirs, sizeof theirs);
  bool same = a > 0 && a == b && !memcmp(ours, theirs, (size_t)a);
  if (cgroup_join(s->id)) return -1; /* what it uses is the sandbox's, and it ends with it */
  if (setns(pidfd, CLONE_NEWNS)) return fail_errno("joining the mount namespace");
  if ((root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) return fail_errno("the sandbox's root");
  if (join_users(pidfd, s, same, proc)) return fail_errno("joining the user namespace");
  close(pidfd), close(proc);
  if (fchdir(root_fd) || chroot(".") || chdir("/")) return fail_errno("chroot");
  if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail_errno("becoming root of the sandbox");
  return 0;
}

static int drop_rights(void) {
  unsigned keep = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID;
  struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct d[2] = {{.effective = keep, .permitted = keep}};
  prctl(PR_SET_DUMPABLE, 0);
  for (int cap = 0; cap < 64; cap++) prctl(PR_CAPBSET_DROP, cap);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &h, d)) return fail_errno("dropping capabilities");
  return 0;
}

_Noreturn void files_serve(int fd, uint32_t id, const struct sandbox *s, const char *root) {
  struct buf b = {0};
  sock = fd;
  fcntl(sock, F_SETFL, O_RDWR);
  signal(SIGPIPE, SIG_IGN);
  umask(0);
  if (join(s, root) || drop_rights()) {
    put_failure(&b);
    say(M_ERROR, id, b.p, b.n);
    _exit(0);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user has cleared it */
  say(M_OK, id, NULL, 0);
  serve();
  _exit(0);
}
