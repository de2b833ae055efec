/* The sandbox inside of its machine: root, network, program. The machine is what isolates; namespaces are here so that
 * the program is the first process it sees, and rights are dropped so that it has no more of them than at any other
 * level. */
#include <arpa/inet.h>
#include <linux/random.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#define PID_FILE "/run/box.pid"
enum { PROGRAM_NOT_FOUND = 127, PROGRAM_REFUSED = 126 };
static struct sockaddr at_address(const char *text) {
  struct sockaddr_in a = {.sin_family = AF_INET}; struct sockaddr s; inet_pton(AF_INET, text, &a.sin_addr);
  return memcpy(&s, &a, sizeof s), s;
}
static struct sockaddr at_link(const char *mac) {
  struct sockaddr s = {.sa_family = ARPHRD_ETHER}; unsigned char *b = (unsigned char *)s.sa_data;
  sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", b, b + 1, b + 2, b + 3, b + 4, b + 5); return s;
}
/* One address, everything else by the gateway, whose link is told: there is nothing to ask for. */
static int network(const struct msg *o) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); char eth[] = "eth0";
  struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP}, mac = {.ifr_name = "eth0"}, address = mac, mask = mac,
      mtu = mac,
               up = {.ifr_name = "eth0", .ifr_flags = IFF_UP};
  mac.ifr_hwaddr = at_link(get(o, "mac")), address.ifr_addr = at_address(get(o, "address"));
  mask.ifr_netmask = at_address("255.255.255.255"), mtu.ifr_mtu = (int)get_num(o, "mtu", 1500);
  struct sockaddr gateway = at_address(get(o, "gateway")), all = at_address("0.0.0.0"), one = mask.ifr_netmask;
  struct rtentry link = {.rt_dst = gateway, .rt_genmask = one, .rt_flags = RTF_UP | RTF_HOST, .rt_dev = eth};
  struct rtentry rest = {.rt_dst = all, .rt_genmask = all, .rt_gateway = gateway, .rt_flags = RTF_UP | RTF_GATEWAY,
      .rt_dev = eth};
  struct arpreq arp = {.arp_pa = gateway, .arp_ha = at_link(get(o, "gatewayMac")), .arp_flags = ATF_PERM | ATF_COM,
      .arp_dev = "eth0"};
  write_text("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
  write_text("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  write_text("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
  bool failed = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) || ioctl(fd, SIOCSIFHWADDR, &mac) || ioctl(fd, SIOCSIFADDR,
      &address) ||
                ioctl(fd, SIOCSIFNETMASK, &mask) || ioctl(fd, SIOCSIFMTU, &mtu) || ioctl(fd, SIOCSIFFLAGS, &up) ||
                ioctl(fd, SIOCSARP, &arp) || ioctl(fd, SIOCADDRT, &link) || ioctl(fd, SIOCADDRT, &rest);
  return shut(fd), failed ? fail_errno("setting the address") : 0;
}
/* What a machine that was started from a snapshot must not share with its sisters: clock, randomness, names. */
static int identity(const struct msg *o) {
  struct { int bits, size; char bytes[64]; } seed = {.bits = 512, .size = 64}; const char *hex = get(o, "entropy");
  i64 now = get_num(o, "timeNs", 0); struct timespec t = {.tv_sec = now / 1000000000, .tv_nsec = now % 1000000000};
  for (int i = 0; i < 64; i++) if (sscanf(hex + 2 * i, "%2hhx",
      (unsigned char *)seed.bytes + i) != 1) return fail("invalid_request", "entropy");
  int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
  bool failed = fd < 0 || ioctl(fd, RNDADDENTROPY, &seed) || ioctl(fd, RNDRESEEDCRNG) || clock_settime(CLOCK_REALTIME,
      &t) ||
                sethostname(get(o, "hostname"), strlen(get(o, "hostname")));
  return shut(fd), failed ? fail_errno("a fresh identity") : 0;
}
static int root(const struct msg *o) {
  char *size = str("size=%lld,nr_inodes=%lld,mode=755", get_num(o, "upperBytes", 0), get_num(o, "upperInodes", 0));
  bool memory = is(o, "upperKind", "memory"); const char *content = NULL;
  if (memory ? mount("arc", "/upper", "tmpfs", MS_NOSUID | MS_NODEV, size)
             : mount("/dev/vdc", "/upper", "ext4", MS_NOSUID | MS_NODEV, "")) return fail_errno("the writable layer");
  mkdir("/upper/u", 0755), mkdir("/upper/w", 0755);
  if (mount("overlay", "/new", "overlay", MS_NOSUID | MS_NODEV, "lowerdir=/low,upperdir=/upper/u,workdir=/upper/w"))
    return fail_errno("mounting the root");
  for (const char *path = NULL; (path = next_value(o, "file", path));)
    if (!(content = next_value(o, "content", content)) || put_file(str("/new%s", path),
        content)) return fail_errno(path);
  return 0;
}
static int group(const struct msg *o) {
  if (mkdir(GROUP, 0755) && errno != EEXIST) return fail_errno(GROUP);
  for (const char *v = NULL; (v = next_value(o, "limit", v));) {
    char *file = str(GROUP "/%s", v), *value = strchr(file, '='); if (!value) return fail("invalid_request", "limit");
    *value++ = 0; if (write_text(file, value)) return fail_errno(file);
  }
  return 0;
}
static int devices(void) {
  static const struct { const char *name; int minor; } NODES[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8},
      {"urandom", 9}};
  static const char *const LINKS[][2] = {{"pts/ptmx", "dev/ptmx"}, {"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0",
      "dev/stdin"},
                                         {"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"}};
  for (size_t i = 0; i < sizeof NODES / sizeof *NODES; i++)
    if (mknod(str("dev/%s", NODES[i].name), S_IFCHR | 0666, makedev(1, NODES[i].minor))) return -1;
  for (size_t i = 0; i < sizeof LINKS / sizeof *LINKS; i++) if (symlink(LINKS[i][0], LINKS[i][1])) return -1;
  return mknod("dev/tty", S_IFCHR | 0666, makedev(5, 0)) || mkdir("dev/pts", 0755) || mkdir("dev/shm", 0755) ||
      mkdir("dev/mqueue", 0755);
}
static int mounts(const struct msg *o) { /* in the program's own mount namespace; the folder is its root to be */
  unsigned long quiet = MS_NOSUID | MS_NOEXEC | MS_NODEV; umask(0);
  const char *shm = str("mode=1777,size=%lld", get_num(o, "shmBytes", 1 << 20));
  mkdir("proc", 0755), mkdir("dev", 0755), mkdir("sys", 0755);
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "proc", "proc", quiet, NULL) ||
      mount("dev", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=65536") || devices() ||
      mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") ||
      mount("shm", "dev/shm", "tmpfs", quiet, shm) || mount("mqueue", "dev/mqueue", "mqueue", quiet, NULL) ||
      mount("sys", "sys", "sysfs", quiet | MS_RDONLY, NULL)) return -1;
  return umask(022), mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/");
}
static void limit(int what, i64 value) { struct rlimit r = {(rlim_t)value, (rlim_t)value}; setrlimit(what, &r); }
/* Ends in the program, with nothing but the rights and the environment that the order names; returns when it can't. */
static void become_program(const struct msg *o) {
  char *argv[ARGS_MAX + 1] = {0}, *env[ARGS_MAX + 1] = {0}; gid_t groups[64]; int n = 0; uid_t uid = (uid_t)get_num(o,
      "uid", 0);
  uint64_t held = strtoull(get(o, "caps"), NULL, 16); list(o, "command", argv, ARGS_MAX), list(o, "env", env, ARGS_MAX);
  for (const char *g = NULL; n < 64 && (g = next_value(o, "group", g));) groups[n++] = (gid_t)atoi(g);
  struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
      struct __user_cap_data_struct d[2] = {0};
  for (int i = 0; i < 2; i++) d[i].effective = d[i].permitted = (uint32_t)(held >> 32 * i), d[i].inheritable = uid
      ? d[i].permitted : 0;
  limit(RLIMIT_NOFILE, get_num(o, "openFiles", 256)), limit(RLIMIT_CORE, 0), limit(RLIMIT_MEMLOCK, 8 << 20);
  if (mkdir(get(o, "cwd"), 0755) && errno != EEXIST) return;
  for (int cap = 0; cap < 64; cap++) if (!(held >> cap & 1)) prctl(PR_CAPBSET_DROP, cap);
  prctl(PR_SET_KEEPCAPS, 1);
  if (setgroups((size_t)n, groups) || setresgid((gid_t)get_num(o, "gid", 0), (gid_t)get_num(o, "gid", 0),
      (gid_t)get_num(o, "gid", 0)) ||
      setresuid(uid, uid, uid) || syscall(SYS_capset, &h, d) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || chdir(get(o,
          "cwd"))) return;
  for (int cap = 0; uid && cap < 64; cap++) if (held >> cap & 1) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
  environ = env; struct stat st; errno = ENOENT; if (!argv[0]) return;
  syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC: nothing of ours goes along */);
  execvp(argv[0], argv); if (errno == EACCES && !strchr(argv[0], '/')) errno = ENOENT;
  if (errno == EACCES && !stat(argv[0], &st) && S_ISDIR(st.st_mode)) errno = EISDIR;
}
static int program(const struct msg *o, int out, int err) { /* 0: it runs, as the first process that it can see */
  int report[2]; char why[8] = {0}; if (pipe2(report, O_CLOEXEC)) return fail_errno("pipe");
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0,
      0);
  if (pid == 0) {
    int keep[3] = {report[1], out, err}, n; enter_child(keep, 3), prctl(PR_SET_PDEATHSIG, 0), setsid();
    dup2(open("/dev/null", O_RDONLY), 0), dup2(keep[1], 1), dup2(keep[2], 2);
    if (!cgroup_join("") && !chdir("/new") && !mounts(o)) become_program(o);
    n = errno; write_all(keep[0], (char *)&n, sizeof n), _exit(PROGRAM_NOT_FOUND);
  }
  close(report[1]); ssize_t n = pid < 0 ? 0 : read(report[0], why, sizeof why); close(report[0]);
  if (pid > 0 && n == 0) { box->pid = pid; struct proc p; if (proc_stat(pid, &p)) box->pid_start = p.start;
    char *digits = str("%d", pid); return write_file(AT_FDCWD, PID_FILE, digits, strlen(digits), O_CREAT); }
  if (pid > 0) memcpy(&errno, why, sizeof errno);
  bool missing = errno == ENOENT || errno == EISDIR || errno == EACCES || errno == ENOEXEC || errno == ENOTDIR;
  return fail(missing ? "command_not_found" : "start_failed", str("\"%s\": %s", get(o, "command"), strerror(errno)));
}
static int terminal(const char *console) { /* a new one of the sandbox's; its other end goes to who reads it */
  char name[] = "terminal", number[32]; int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), n, unlock = 0;
  if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &n)) return -1;
  snprintf(number, sizeof number, "/dev/pts/%d", n);
  union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } c = {.h = {CMSG_LEN(sizeof(int)), SOL_SOCKET,
      SCM_RIGHTS}};
  memcpy(CMSG_DATA(&c.h), &master, sizeof(int));
  struct msghdr m = {.msg_iov = &(struct iovec){name, sizeof name}, .msg_iovlen = 1, .msg_control = c.space,
      .msg_controllen = sizeof c.space};
  int slave = open(number, O_RDWR | O_NOCTTY); if (slave < 0 || sendmsg(atoi(console), &m, 0) < 0) return -1;
  setsid(), ioctl(slave, TIOCSCTTY, 0); for (int i = 0; i < 3; i++) dup2(slave, i);
  return fchown(slave, (uid_t)-1, 5), close(slave), close(master), 0;
}
/* A command in the sandbox, in the place of the runtime by which the helper starts one: its pid goes to a file. */
static int enter(const struct msg *o) {
  struct sockaddr_un a = {.sun_family = AF_UNIX}; int console = -1, report[2], why; char digits[16];
  int target = pidfd_open(named_pid(AT_FDCWD, PID_FILE));
  int here = open("/", O_PATH | O_CLOEXEC); snprintf(a.sun_path, sizeof a.sun_path, "%s", get(o, "consoleSocket"));
  if (*a.sun_path) console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (target < 0 || (console >= 0 && connect(console, (void *)&a, sizeof a)) || pipe2(report, O_CLOEXEC) ||
      setns(target,
          CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWCGROUP)) return perror("entering the sandbox"),
              PROGRAM_REFUSED;
  pid_t pid = fork();
  if (pid == 0) {
    if (console < 0 ? setsid() > 0 : !terminal(str("%d", console))) become_program(o);
    why = errno, write_all(report[1], (char *)&why, sizeof why), _exit(PROGRAM_NOT_FOUND);
  }
  close(report[1]); bool failed = pid < 0 || read(report[0], &why, sizeof why) > 0; if (failed) errno = pid < 0
      ? errno : why;
  if (failed) return fprintf(stderr, "exec %s: %s\n", get(o, "command"), strerror(errno)), errno == ENOMEM ||
      errno == EAGAIN ? PROGRAM_REFUSED : PROGRAM_NOT_FOUND;
  snprintf(digits, sizeof digits, "%d", pid);
  return write_file(here, get(o, "pidFile") + 1, digits, strlen(digits), O_CREAT | O_TRUNC) ? PROGRAM_REFUSED : 0;
}
