/* System calls: every number with arguments that mean nothing, and those where the arguments decide. */
#include "base.h"
#include <linux/sched.h>
#include <sys/ptrace.h>

/* Tables of the kernel end far below; what lies between is of numbers that do not exist. */
#define NUMBERS 512
static const long FAR_NUMBERS[] = {600, 1000, 1999, 4242, 65535};

/* It asks the whole machine to write out its files, and needs no arguments for that. */
#define SKIPPED SYS_sync

static int by_number(long number) {
  pid_t self = getpid();
  long result = syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
  int error = errno;
  if (getpid() != self) _exit(0); /* it was a fork */
  return result < 0 && error > 0 && error < 255 ? error : 0;
}

static void sweep_one(long number) {
  char name[24], text[32];
  snprintf(name, sizeof name, "%ld", number);
  outcome_of(in_child(by_number, number), text, sizeof text);
  fact2("call", name, text);
}

static void sweep(void) {
  for (long number = 0; number < NUMBERS; number++) {
    if (number != SKIPPED) sweep_one(number);
  }
  for (size_t i = 0; i < sizeof FAR_NUMBERS / sizeof *FAR_NUMBERS; i++) sweep_one(FAR_NUMBERS[i]);
}

#ifdef __x86_64__
static int by_32_bit_table(long unused) {
  (void)unused;
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid there */
  return result > 0 ? 0 : (int)-result;
}
static int by_x32_table(long unused) {
  (void)unused;
  return syscall(0x40000000 + 39) > 0 ? 0 : errno;
}
#endif

static int cloned(long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid < 0) return errno;
  waitpid(pid, 0, 0);
  return 0;
}

static int cloned3(long flags) {
  struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  if (pid < 0) return errno;
  waitpid(pid, 0, 0);
  return 0;
}

static int unshared(long flags) { return unshare(flags) < 0 ? errno : 0; }

/* Needs no privilege by itself; a filter only can refuse it. */
static int traced(long unused) {
  (void)unused;
  return ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 ? errno : 0;
}

static void namespaces_made(void) {
  static const struct { const char *name; long flag; } KINDS[] = {
    {"mnt", CLONE_NEWNS}, {"cgroup", CLONE_NEWCGROUP}, {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC},
    {"user", CLONE_NEWUSER}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET}, {"time", 0x80},
  };
  char name[32];
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
    snprintf(name, sizeof name, "unshare-%s", KINDS[i].name);
    tried_in_child(name, unshared, KINDS[i].flag);
    if (KINDS[i].flag == 0x80) continue; /* clone has no flag for it */
    snprintf(name, sizeof name, "clone-%s", KINDS[i].name);
    tried_in_child(name, cloned, KINDS[i].flag);
    snprintf(name, sizeof name, "clone3-%s", KINDS[i].name);
    tried_in_child(name, cloned3, KINDS[i].flag);
  }
  tried_in_child("clone-user-high-bits", cloned, CLONE_NEWUSER | 0x100000000L);
  TRY("setns", setns(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), 0));
}

static void socket_families(void) {
  char name[40];
  for (int family = 0; family < 64; family++) {
    snprintf(name, sizeof name, "socket-%d", family);
    int fd = -1;
    TRY(name, fd = socket(family, (family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM) | SOCK_CLOEXEC, 0));
    if (fd >= 0) close(fd);
  }
  for (int protocol = 1; protocol < 32; protocol++) {
    snprintf(name, sizeof name, "netlink-%d", protocol);
    int fd = -1;
    TRY(name, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (fd >= 0) close(fd);
  }
  TRY("socket-packet", socket(AF_PACKET, SOCK_RAW, 0x0300));
  TRY("socket-raw4", socket(AF_INET, SOCK_RAW, 1));
  TRY("socket-raw6", socket(AF_INET6, SOCK_RAW, 58));
}

static void terminals(void) {
  int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (tty < 0) tty = 0;
  TRY("tiocsti", ioctl(tty, 0x5412, "x"));
  TRY("tiocsti-high-bits", syscall(SYS_ioctl, tty, 0x100005412ul, "x"));
  TRY("tioclinux", ioctl(tty, 0x541c, "x"));
}

static void privileges_taken(void) {
  struct rlimit more;
  TRY("setuid", setuid(getuid() + 1));
  TRY("setgid", setgid(getgid() + 1));
  gid_t group = 0;
  TRY("setgroups", syscall(SYS_setgroups, 1, &group));
  TRY("chroot", chroot("/"));
  TRY("sethostname", sethostname("x", 1));
  TRY("nice", setpriority(PRIO_PROCESS, 0, -5));
  TRY("personality", syscall(SYS_personality, 0x0040000));
  for (int kind = 0; kind < 16; kind++) {
    char name[24];
    getrlimit(kind, &more);
    if (more.rlim_max == RLIM_INFINITY) continue;
    more.rlim_max += 1;
    snprintf(name, sizeof name, "raise-%d", kind);
    TRY(name, setrlimit(kind, &more));
  }
}

static void try_calls(int own_kernel) {
  if (!own_kernel) sweep(); /* there it would only tell of that kernel */
  namespaces_made();
  tried_in_child("ptrace", traced, 0);
  socket_families();
  terminals();
  privileges_taken();
#ifdef __x86_64__
  tried_in_child("table-32-bit", by_32_bit_table, 0);
  tried_in_child("table-x32", by_x32_table, 0);
#endif
}
