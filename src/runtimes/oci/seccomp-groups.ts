/**
 * The system calls a sandbox may make, and those it may not, in groups with a reason each. Reviewed by hand: a name is
 * added here only with a program that needs it. What is in neither list, and every number that the kernel or the filter
 * library does not know, answers ENOSYS, which is what C libraries expect of an older kernel: they then fall back.
 */
export interface CallGroup {
  readonly name: string;
  readonly reason: string;
  readonly calls: readonly string[];
}

export const ALLOWED: readonly CallGroup[] = [
  {
    name: 'files',
    reason: 'reading and writing what the root filesystem permits; the mount table itself is out of reach',
    calls: words(`
      access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
      fallocate fchdir fchmod fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr
      fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init
      inotify_init1 inotify_rm_watch lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat
      mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
      readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile setxattr splice stat statfs
      statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes
      vmsplice write writev`),
  },
  {
    name: 'waiting',
    reason: 'event loops',
    calls: words(`
      epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 pipe pipe2 poll ppoll
      pselect6 select signalfd signalfd4`),
  },
  {
    name: 'old asynchronous files',
    reason: 'databases use it; unlike io_uring it starts no kernel threads that escape the filter',
    calls: words('io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit'),
  },
  {
    name: 'memory',
    reason: 'allocation and sharing inside the memory limit',
    calls: words(`
      brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock munlockall munmap
      pkey_alloc pkey_free pkey_mprotect remap_file_pages`),
  },
  {
    name: 'processes and threads',
    reason: 'inside the pid namespace and the pids limit; clone is below, by its flags',
    calls: words(`
      arch_prctl capget capset execve execveat exit exit_group fork futex futex_waitv get_robust_list get_thread_area
      getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid gettid ioprio_get ioprio_set kill
      pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease restart_syscall rseq sched_get_priority_max
      sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
      sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area
      set_tid_address setpgid setpriority setrlimit setsid sysinfo tgkill times tkill uname vfork wait4 waitid`),
  },
  {
    name: 'signals',
    reason: 'only processes of the own pid namespace can be named',
    calls: words(`
      pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
      rt_tgsigqueueinfo sigaltstack`),
  },
  {
    name: 'users',
    reason: 'ids of the own user namespace; without the capability the kernel refuses',
    calls: words(`
      getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid setgroups setregid setresgid
      setresuid setreuid setuid`),
  },
  {
    name: 'time',
    reason: 'reading clocks and setting timers, never setting a clock',
    calls: words(`
      alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time timer_create
      timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime`),
  },
  {
    name: 'sockets',
    reason: 'inside the own network namespace; which families may be opened is below',
    calls: words(`
      accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
      setsockopt shutdown`),
  },
  {
    name: 'System V and POSIX ipc',
    reason: 'inside the own ipc namespace (PostgreSQL needs it)',
    calls: words(`
      mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop
      semtimedop shmat shmctl shmdt shmget`),
  },
  {
    name: 'restricting oneself further',
    reason: 'programs that sandbox their own parts are better off',
    calls: words('getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp'),
  },
];

export const REFUSED: readonly CallGroup[] = [
  {
    name: 'mounts',
    reason: 'the mount table is what keeps masks and read-only paths in place',
    calls: words(`
      fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root umount2`),
  },
  {
    name: 'other roots',
    reason: 'a second root inside is of use to escapes first; a template may ask for SYS_CHROOT',
    calls: words('chroot'),
  },
  {
    name: 'namespaces',
    reason: 'a new user namespace gives all capabilities in it, and with them most of the kernel to attack',
    calls: words('setns unshare'),
  },
  {
    name: 'other processes',
    reason: 'reading and changing the memory or descriptors of a process that is not a child',
    calls: words('kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace'),
  },
  {
    name: 'programs in the kernel',
    reason: 'the largest sources of kernel faults that lead out',
    calls: words('bpf io_uring_enter io_uring_register io_uring_setup perf_event_open userfaultfd'),
  },
  { name: 'keys', reason: 'the kernel key ring knows no namespaces', calls: words('add_key keyctl request_key') },
  {
    name: 'handles',
    reason: 'opening a file by its number goes around every path (the shocker escape)',
    calls: words('fanotify_init fanotify_mark open_by_handle_at name_to_handle_at'),
  },
  {
    name: 'the machine',
    reason: 'they act on the host, not on the sandbox',
    calls: words(`
      acct adjtimex clock_adjtime clock_settime delete_module finit_module init_module ioperm iopl kexec_file_load
      kexec_load lookup_dcookie quotactl quotactl_fd reboot setdomainname sethostname settimeofday swapoff swapon syslog
      vhangup`),
  },
  {
    name: 'placement of memory',
    reason: 'moves pages of others and the host between nodes',
    calls: words('get_mempolicy mbind migrate_pages move_pages set_mempolicy'),
  },
  {
    name: 'left-overs',
    reason: 'old interfaces that current programs do not use',
    calls: words('modify_ldt nfsservctl personality sysfs uselib ustat'),
  },
];

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
