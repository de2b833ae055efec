/* A file session, in a worker that has joined the sandbox: its mount namespace, uid 0 of its user namespace, no
 * capability but those over files. Paths resolve beneath the root by openat2; nothing outside of it can be named. */
#include <grp.h>
#include <sys/xattr.h>
#include <linux/capability.h>
enum { REMOVE_DEPTH_MAX = 256, RENAME_RACES_MAX = 32, READ_WINDOW_CHUNKS = 16 /* then the reader says `continue` */ };
static int sock, root_fd, self_fds, temp_dir = -1, resolving = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
static char temp[64]; /* in `temp_dir`: what a write has not finished yet */
static struct buf incoming;
static _Noreturn void leave(void) { /* The client is gone: it leaves nothing half done behind. */
  if (temp_dir >= 0) unlinkat(temp_dir, temp, 0);
  _exit(0);
}
static void tell(unsigned type, uint32_t id, const void *p, size_t n) {
  struct buf b = {0}; frame(&b, type, id, p, n); if (write_all(sock, b.p, b.n)) leave(); free(b.p);
}
static void listen_for(struct msg *m) {
  static size_t used;
  static char data[CHUNK_BYTES];
  consume(&incoming, used), used = 0;
  for (int r; (r = parse(&incoming, 0, m)) != 1;) {
    ssize_t n = r < 0 ? 0 : recv(sock, data, sizeof data, 0); if (n <= 0 && !(n < 0 && errno == EINTR)) leave();
    if (n > 0) add(&incoming, data, (size_t)n);
  }
  used = HEADER_BYTES + m->n;
}
static int refuse(const char *path) {
  int e = errno; const char *code = "file_refused"; if (e == ENOENT || e == ENOTDIR) code = "file_not_found";
  if (e == EACCES || e == EPERM || e == EROFS) code = "file_denied";
  if (e == ENOSPC || e == EDQUOT) code = "disk_full";
  return fail(code, str("%.400s: %s", path, strerror(e)));
}
static int beneath(const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = (uint64_t)resolving}; int fd = -1;
  for (int tries = 0; tries == 0 || (fd < 0 && errno == EAGAIN && tries < RENAME_RACES_MAX); tries++)
    fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
  return fd;
}
/* The folder that holds `path`; the last name of it goes to `name`. */
static int parent_dir(const char *path, char *name) {
  size_t n = strlen(path), cut; while (n > 1 && path[n - 1] == '/') n--;
  for (cut = n; cut > 0 && path[cut - 1] != '/';) cut--;
  if (n - cut > NAME_MAX) return errno = ENAMETOOLONG, -1;
  snprintf(name, NAME_MAX + 1, "%.*s", (int)(n - cut), path + cut);
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) return errno = EISDIR, -1;
  return beneath(str("/%.*s", (int)cut, path), O_PATH | O_DIRECTORY);
}
/* Whiteouts and opaque folders in a layer that is being unpacked, never through a link. */
static int layer_marks(const struct msg *o) {
  char name[NAME_MAX + 1]; int at = 0; resolving |= RESOLVE_NO_SYMLINKS;
  if ((root_fd = open(get(o, "dir"), O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) return fail_errno(get(o, "dir"));
  for (const char *w = NULL; at >= 0 && (w = next_value(o, "whiteout", w)); at = at < 0 ? at : close(at))
    if ((at = parent_dir(w, name)) >= 0 && mknodat(at, name, S_IFCHR, 0)) at = -1;
  for (const char *w = NULL; at >= 0 && (w = next_value(o, "opaque", w)); at = at < 0 ? at : close(at))
    if ((at = beneath(w, O_RDONLY | O_DIRECTORY)) >= 0 && fsetxattr(at, "trusted.overlay.opaque", "y", 1, 0)) at = -1;
  return at < 0 ? fail("archive_refused", str("a mark can not be made: %s", strerror(errno))) : 0;
}
static void put_stat(struct buf *b, const char *name, int dir, const char *at, const struct stat *st) {
  char target[PATH_MAX]; mode_t m = st->st_mode;
  ssize_t n = S_ISLNK(m) ? readlinkat(dir, at, target, sizeof target - 1) : -1;
  text(b, "name", name), num(b, "size", st->st_size), num(b, "mode", m & 07777), num(b, "uid", st->st_uid);
  text(b, "type", S_ISREG(m) ? "file" : S_ISDIR(m) ? "dir" : S_ISLNK(m) ? "symlink" : "other");
  num(b, "gid", st->st_gid), num(b, "mtimeNs", (i64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec);
  if (n >= 0) target[n] = 0, text(b, "target", target);
}
static int do_stat(const struct msg *m, const char *path, struct buf *b) {
  struct stat st; int fd = beneath(path, O_PATH | (get_num(m, "follow", 0) ? 0 : O_NOFOLLOW));
  if (fd < 0 || fstat(fd, &st)) return refuse(path);
  put_stat(b, strrchr(path, '/') + 1, fd, "", &st); return close(fd);
}
static int do_list(const struct msg *m, const char *path) {
  struct stat st; struct buf b = {0};
  int fd = beneath(path, O_RDONLY | O_DIRECTORY); DIR *d = fd < 0 ? NULL : fdopendir(fd); if (!d) return refuse(path);
  for (struct dirent *e; (e = readdir(d)); consume(&b, b.n)) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    put_stat(&b, e->d_name, fd, e->d_name, &st), tell(M_ITEM, m->id, b.p, b.n);
  }
  return closedir(d);
}
static int do_read(const struct msg *m, const char *path) {
  static char data[CHUNK_BYTES];
  struct stat st; struct msg next; uint32_t id = m->id; ssize_t n;
  int look = beneath(path, O_PATH), fd, chunks = 0; if (look < 0 || fstat(look, &st)) return refuse(path);
  if (!S_ISREG(st.st_mode)) return close(look), fail("file_refused", str("%.400s is not a regular file", path));
  /* A second, real opening of just what was looked at, whatever has its name by now. */
  fd = openat(self_fds, str("%d", look), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); close(look);
  if (fd < 0) return refuse(path);
  while ((n = read(fd, data, sizeof data)) > 0) {
    tell(M_DATA, id, data, (size_t)n); if (++chunks % READ_WINDOW_CHUNKS) continue; listen_for(&next);
    if (next.type != M_CONTINUE) break; /* it has seen enough */
  }
  if (n < 0) refuse(path);
  return close(fd), n < 0 ? -1 : 0;
}
/* Content goes to a new file beside the old one, which it then replaces at once or not at all. */
static int do_write(const struct msg *m, const char *path) {
  static unsigned serial;
  char name[NAME_MAX + 1]; struct stat old; struct msg part; uint32_t id = m->id;
  mode_t mode = (mode_t)get_num(m, "mode", 0644) & 07777;
  int dir = parent_dir(path, name), fd = -1, failed = dir < 0 ? refuse(path) : 0;
  bool was = !failed && fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
  snprintf(temp, sizeof temp, ".arc-%d-%u.tmp", getpid(), serial++);
  if (was && !S_ISREG(old.st_mode) && !S_ISLNK(old.st_mode))
    failed = fail("file_refused", str("%.400s is there and is not a regular file", path));
  if (!failed && (fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
    failed = refuse(path);
  if (!failed) temp_dir = dir, tell(M_CONTINUE, id, NULL, 0);
  while (!failed) {
    listen_for(&part); if (part.type == M_END) break;
    if (part.type != M_DATA) failed = fail("file_refused", "the upload was given up");
    else if (write_all(fd, part.p, part.n)) failed = refuse(path);
  }
  if (!failed && was && S_ISREG(old.st_mode) && fchown(fd, old.st_uid, old.st_gid)) failed = refuse(path);
  if (!failed && (fchmod(fd, mode) || renameat(dir, temp, dir, name))) failed = refuse(path);
  if (failed && fd >= 0) unlinkat(dir, temp, 0);
  shut(fd); shut(dir); return temp_dir = -1, failed;
}
static int do_change(const struct msg *m, const char *path, struct buf *b) {
  char name[NAME_MAX + 1]; struct stat st; int dir = parent_dir(path, name), r; if (dir < 0) return refuse(path);
  if (m->type == M_MKDIR) {
    num(b, "made", (r = mkdirat(dir, name, 0700)) == 0);
    if (r == 0) r = fchmodat(dir, name, (mode_t)get_num(m, "mode", 0755) & 07777, 0);
    else if (errno == EEXIST && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
      r = S_ISDIR(st.st_mode) ? 0 : (errno = EEXIST, -1);
  } else if (m->type == M_SYMLINK) r = symlinkat(get(m, "target"), dir, name);
  else if ((r = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) == 0)
    r = get_num(m, "recursive", 0) ? remove_tree(dir, name, REMOVE_DEPTH_MAX)
                                   : unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
  if (r) refuse(path);
  return close(dir), r;
}
static _Noreturn void serve_files(void) {
  struct msg m;
  for (struct buf b = {0};; consume(&b, b.n)) {
    int r; listen_for(&m);
    if (m.type == M_CONTINUE || m.type == M_DATA || m.type == M_END) continue; /* of what was refused or is over */
    if ((m.n > 0 && m.p[m.n - 1] != 0) || m.type < M_STAT || m.type > M_REMOVE) leave();
    uint32_t id = m.id; /* the message itself is gone when the next one was listened for */
    char path[PATH_MAX];
    if (get(&m, "path")[0] != '/' || strlen(get(&m, "path")) >= sizeof path) r = fail("invalid_request", "path");
    else if (strcpy(path, get(&m, "path")), m.type == M_STAT) r = do_stat(&m, path, &b);
    else if (m.type == M_DIR) r = do_list(&m, path);
    else if (m.type == M_READ) r = do_read(&m, path);
    else if (m.type == M_WRITE) r = do_write(&m, path);
    else r = do_change(&m, path, &b);
    if (r) b.n = 0, put_failure(&b);
    tell(r ? M_ERROR : M_OK, id, b.p, b.n);
  }
}
static int join_sandbox(const struct sandbox *s, const char *root) {
  char ours[64] = "", theirs[64] = ""; struct proc p;
  int pidfd = pidfd_open(s->pid), proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  self_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (pidfd < 0 || proc < 0 || self_fds < 0 || !proc_stat(s->pid, &p) || p.start != s->pid_start)
    return fail("wrong_state", "the sandbox is not running");
  bool alike = readlinkat(proc, "self/ns/user", ours, sizeof ours - 1) > 0 &&
               readlinkat(proc, str("%d/ns/user", s->pid), theirs, sizeof theirs - 1) > 0 && !strcmp(ours, theirs);
  if (cgroup_join(s->id)) return -1; /* what it uses is the sandbox's, and it ends with it */
  if (setns(pidfd, CLONE_NEWNS)) return fail_errno("joining the mount namespace");
  if ((root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) return fail_errno("the sandbox's root");
  if (alike) return fail("host_unfit", "the sandbox has no user namespace of its own"); /* never the host's root */
  if (setns(pidfd, CLONE_NEWUSER)) return fail_errno("joining the user namespace");
  if (fchdir(root_fd) || chroot(".") || chdir("/")) return fail_errno("chroot");
  if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0)) return fail_errno("becoming root of the sandbox");
  return close(pidfd), close(proc);
}
static int drop_rights(void) {
  unsigned kept = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID;
  struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct d[2] = {{.effective = kept, .permitted = kept}}; prctl(PR_SET_DUMPABLE, 0);
  for (int cap = 0; cap < 64; cap++) prctl(PR_CAPBSET_DROP, cap);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user has cleared it */
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_capset, &h, d) ? fail_errno("dropping capabilities") : 0;
}
static _Noreturn void files_worker(int fd, uint32_t id, const struct sandbox *s, const char *root) {
  struct buf b = {0}; fcntl(sock = fd, F_SETFL, O_RDWR), signal(SIGPIPE, SIG_IGN), umask(0);
  int refused = join_sandbox(s, root) || drop_rights(); if (refused) put_failure(&b);
  tell(refused ? M_ERROR : M_OK, id, b.p, b.n); if (refused) leave(); serve_files();
}
