/* Tries, from inside a sandbox, what must be refused, and prints one line each: "NAME ERRNO" (0: it was allowed). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) {
  printf("%s %d\n", name, result < 0 ? errno : 0);
  fflush(stdout);
}
#define TRY(name, call) do { errno = 0; long r_ = (long)(call); say(name, r_); } while (0)

static void in_child(const char *name, int (*body)(void)) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) printf("%s killed\n", name);
  else printf("%s %d\n", name, WEXITSTATUS(status));
}

#ifdef __x86_64__
static int call_32_bit(void) { /* getpid by the 32-bit table */
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
  return result > 0 ? 0 : (int)-result;
}
static int call_x32(void) {
  long result = syscall(0x40000000 + 39);
  return result > 0 ? 0 : errno;
}
#endif

static int clone_flag(unsigned long flag) {
  long pid = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid < 0) return errno;
  waitpid(pid, 0, 0);
  return 0;
}
static void clone_new(const char *name, unsigned long flag) { printf("%s %d\n", name, clone_flag(flag)); }

static long clone3_user(void) {
  struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  return pid;
}

static void sockets(void) {
  char name[32];
  for (int family = 0; family < 64; family++) {
    snprintf(name, sizeof name, "socket-%d", family);
    int type = family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM;
    int fd = socket(family, type, 0);
    say(name, fd);
    if (fd >= 0) close(fd);
  }
  TRY("socket-raw-icmp", socket(AF_INET, SOCK_RAW, 1));
  TRY("socket-netfilter", socket(AF_NETLINK, SOCK_RAW, 12));
  TRY("socket-audit", socket(AF_NETLINK, SOCK_RAW, 9));
  TRY("socket-packet", socket(AF_PACKET, SOCK_RAW, 0x0300));
}

int main(void) {
  TRY("mount", syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, 0));
  TRY("umount2", syscall(SYS_umount2, "/proc", 2));
  TRY("pivot_root", syscall(SYS_pivot_root, "/", "/"));
  TRY("chroot", chroot("/"));
  TRY("fsopen", syscall(430, "tmpfs", 0));
  TRY("fsmount", syscall(432, -1, 0, 0));
  TRY("fspick", syscall(433, -1, "/", 0));
  TRY("open_tree", syscall(428, -100, "/", 1));
  TRY("move_mount", syscall(429, -1, "", -1, "", 0));
  TRY("mount_setattr", syscall(442, -1, "", 0, 0, 0));
  TRY("unshare-user", unshare(CLONE_NEWUSER));
  TRY("unshare-mnt", unshare(CLONE_NEWNS));
  TRY("unshare-net", unshare(CLONE_NEWNET));
  TRY("unshare-time", unshare(0x80));
  TRY("setns", setns(open("/proc/self/ns/net", O_RDONLY), 0));
  clone_new("clone-user", CLONE_NEWUSER);
  clone_new("clone-mnt", CLONE_NEWNS);
  clone_new("clone-pid", CLONE_NEWPID);
  clone_new("clone-net", CLONE_NEWNET);
  clone_new("clone-high-bits", CLONE_NEWUSER | 0x100000000ul);
  clone_new("clone-plain", 0);
  TRY("clone3-user", clone3_user());
  TRY("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
  TRY("process_vm_readv", syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0));
  TRY("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
  TRY("pidfd_getfd", syscall(438, -1, 0, 0));
  TRY("bpf", syscall(SYS_bpf, 0, 0, 0));
  TRY("perf_event_open", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
  TRY("userfaultfd", syscall(SYS_userfaultfd, 0));
  TRY("io_uring_setup", syscall(425, 1, 0));
  TRY("keyctl", syscall(SYS_keyctl, 0, -3, 0));
  TRY("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
  TRY("request_key", syscall(SYS_request_key, "user", "x", 0, 0));
  TRY("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, 0, 0));
  TRY("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
  TRY("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
  TRY("init_module", syscall(SYS_init_module, 0, 0, ""));
  TRY("finit_module", syscall(SYS_finit_module, -1, "", 0));
  TRY("delete_module", syscall(SYS_delete_module, "x", 0));
  TRY("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
  TRY("swapon", syscall(SYS_swapon, "x", 0));
  TRY("acct", syscall(SYS_acct, 0));
  TRY("syslog", syscall(SYS_syslog, 3, 0, 0));
  TRY("sethostname", sethostname("x", 1));
  TRY("adjtimex", syscall(SYS_adjtimex, 0));
  TRY("settimeofday", syscall(SYS_settimeofday, 0, 0));
  TRY("personality-norandom", syscall(SYS_personality, 0x40000));
  TRY("move_pages", syscall(SYS_move_pages, 0, 0, 0, 0, 0, 0));
  TRY("unknown-call", syscall(1999));
  TRY("unknown-call-near", syscall(470));
  int tty = open("/dev/tty", O_RDWR);
  TRY("tiocsti", ioctl(tty, 0x5412, "x"));
  TRY("tiocsti-high-bits", syscall(SYS_ioctl, tty, 0x100005412ul, "x"));
  TRY("tioclinux", ioctl(tty, 0x541c, "x"));
  TRY("mknod-block", mknod("/tmp/probe-block", S_IFBLK | 0600, (8 << 8) | 0));
  TRY("write-proc-sys", open("/proc/sys/kernel/core_pattern", O_WRONLY));
  TRY("write-hostname-sysctl", open("/proc/sys/kernel/hostname", O_WRONLY));
  TRY("write-sysrq", open("/proc/sysrq-trigger", O_WRONLY));
  TRY("setuid-0", getuid() == 0 ? (errno = EPERM, -1) : setuid(0));
  sockets();
#ifdef __x86_64__
  in_child("table-32-bit", call_32_bit);
  in_child("table-x32", call_x32);
#endif
  return 0;
}
