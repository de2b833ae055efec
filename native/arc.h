/*
 * The node helper of Arc: what Node can not do, in one small program that outlives the server. It does not isolate
 * (crun, runc and runsc do) and decides nothing; PROTOCOL.md has the wire. One thread, one epoll loop; whatever may
 * block runs in a forked worker.
 */
#ifndef ARC_H
#define ARC_H
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL_VERSION 1
#define RECORD_VERSION 1
#define HEADER_BYTES 12
#define FRAME_BYTES_MAX (1u << 20)
#define CHUNK_BYTES 65536u             /* one read of a pipe, one data frame */
#define OUTPUT_BYTES_MAX 16384         /* what is kept of a failed runtime's stderr */
#define ID_BYTES_MAX 41
#define CONNECTIONS_MAX 1024
#define CONTROL_QUEUE_BYTES_MAX (8u << 20) /* replies and events a client has not read; beyond: it is closed */
#define JOBS_RUNNING_MAX 8
#define JOBS_WAITING_MAX 4096
#define STOP_MS_MAX 10000              /* until everything killed must be gone */
#define EXEC_BUFFER_BYTES (1u << 20)   /* output kept while nobody reads a command */
#define EXEC_SCROLLBACK_BYTES 65536u   /* the end of a terminal's output, kept for who joins */
#define EXEC_ATTACHED_BYTES (256u << 10)
#define EXEC_KEPT_MS 60000
#define EXEC_KEPT_MAX 256
#define EXEC_START_MS_MAX 30000
#define ORPHANS_MAX 1024
#define SESSIONS_MAX 256               /* file sessions at once */

enum { /* message types; PROTOCOL.md describes each */
  M_HELLO = 1, M_START, M_STOP, M_DESTROY, M_LIST, M_SIGNAL, M_SUBSCRIBE, M_EXEC, M_ATTACH, M_EXECS, M_SIGNAL_EXEC,
  M_RESIZE_EXEC, M_FILES, M_LAYER_MARKS, M_QUIT,
  M_OK = 64, M_ERROR, M_ITEM, M_EXIT_EVENT,
  M_STDOUT = 80, M_STDERR, M_EXIT, M_TAKEN, M_STDIN, M_STDIN_CLOSE, M_RESIZE, M_SIGNAL_IN,
  M_STAT = 96, M_DIR, M_READ, M_WRITE, M_MKDIR, M_SYMLINK, M_REMOVE, M_DATA, M_END, M_CONTINUE,
};

struct buf { char *p; size_t n, cap; };
struct msg { unsigned type; uint32_t id; const char *p; size_t n; };
struct src { int fd; void (*fn)(struct src *, unsigned events); };
struct ref { uint64_t conn; uint32_t id; }; /* who waits for an answer; the connection may be gone by then */
struct exit_info { bool known, oom; int code, sig; int64_t at_ms; char note[80]; };

struct journal { int fd; char *dir; uint64_t seq, offset, lost, limit, kept, segment; };

enum phase { PARTIAL, RUNNING, EXITED };
struct sandbox {
  char id[ID_BYTES_MAX + 1], *dir, hostif[16];
  int64_t inc, slot, host_base, id_count;
  enum phase phase;
  bool child, follow_runtime, recorded, ending;
  pid_t pid;
  uint64_t pid_start;
  int64_t ended_ms;                 /* monotonic; when an adopted process was seen to have ended */
  struct exit_info exit;
  struct src pidfd, out, err;
  struct journal log;
  struct exec *execs;
  struct job *job;
  struct sandbox *next;
};

struct job { /* work in a forked child; its answer comes back through a pipe */
  struct src src;
  pid_t pid;
  unsigned kind;
  struct ref ref;
  struct sandbox *box;
  struct buf order, result;
  bool cancelled, awaiting_exit, finished;
  int64_t deadline, begun;
  struct job *next;
};

struct conn {
  struct src src;
  uint64_t serial;
  struct buf in, out;
  size_t sent;
  bool greeted, subscribed, closing;
  bool over;                         /* its command is over and told: the reader closes, what it still sends is dropped */
  struct exec *exec;
  struct conn *next;
};

struct exec {
  char id[ID_BYTES_MAX + 1];
  struct sandbox *box;
  bool tty, follow_runtime, running, exited, sealed, timed_out, in_close;
  pid_t runtime, pid;
  char *pid_file, *console;
  int cols, rows;
  struct src in, out, err, console_src;
  struct buf frames, input;          /* whole frames to the reader; bytes for the program */
  size_t sent, part, input_sent;     /* `sent` is at a frame's start, `part` bytes of that frame are out */
  struct conn *conn;
  struct ref ref;
  struct buf command;
  int64_t started_at, begun_ms, deadline, start_deadline, ended_ms;
  uint64_t ooms;
  struct exit_info exit;
  struct exec *next;
};

extern struct globals {
  int epoll, listen, lock, floor, nsessions; /* descriptors below `floor` are kept by workers */
  char *data, *socket, boot[40];
  uint64_t serial;
  struct sandbox *boxes;
  struct conn *conns;
  struct job *jobs;
  bool quit;
} g;

#define OWNER(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* util.c */
void add(struct buf *b, const void *p, size_t n);
void consume(struct buf *b, size_t n);
void put(struct buf *b, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void frame(struct buf *b, unsigned type, uint32_t id, const void *p, size_t n);
int parse(const struct buf *in, size_t at, struct msg *m);
const char *next_value(const struct msg *m, const char *key, const char *previous);
const char *get(const struct msg *m, const char *key);
int64_t get_int(const struct msg *m, const char *key, int64_t missing);
int fail(const char *code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int fail_errno(const char *what);
void put_failure(struct buf *b);
const char *failure_code(void);
int64_t mono_ms(void);
int64_t wall_ns(void);
int write_all(int fd, const void *p, size_t n);
int write_file(int dir, const char *path, const char *text, int flags);
ssize_t read_file(int dir, const char *path, char *out, size_t cap);
int write_atomic(const char *dir, const char *name, const struct buf *b);
int remove_tree(int dir, const char *name, int depth);
bool proc_stat(pid_t pid, char *state, pid_t *ppid, pid_t *pgrp, pid_t *session, uint64_t *start);
int pidfd_open(pid_t pid);
int pidfd_kill(int pidfd, int sig);
void enter_child(int *keep, int n);
char *path_of(const char *dir, const char *name);
void put_exit(struct buf *b, const struct exit_info *e);
void get_exit(const struct msg *m, struct exit_info *e);
void exit_from_status(struct exit_info *e, int status);

/* main.c: the loop */
void watch(struct src *s, int fd, unsigned events, void (*fn)(struct src *, unsigned));
void rewatch(struct src *s, unsigned events);
void unwatch(struct src *s);
void drop(struct src *s);
void bury(void *p);

/* conn.c */
bool session_reaped(pid_t pid);
void answer(struct ref ref, unsigned type, const struct buf *b);
void answer_error(struct ref ref, const char *code, const char *text);
void broadcast_exit(struct sandbox *s);
void on_accept(struct src *s, unsigned events);
void conn_close(struct conn *c);
void conn_pump(struct conn *c);
void conn_flush(struct conn *c);

/* job.c */
void job_add(unsigned kind, struct ref ref, struct sandbox *s, const struct msg *m);
void jobs_run(void);
void jobs_exited(struct sandbox *s);
int64_t jobs_tick(int64_t now);

/* sandbox.c */
struct sandbox *sandbox_find(const char *id);
struct sandbox *sandbox_new(const char *id, int64_t inc);
void sandbox_forget(struct sandbox *s);
void sandbox_started(struct sandbox *s, const struct msg *result, int64_t since);
void sandbox_logs_open(struct sandbox *s, int64_t owner, bool fresh);
void sandbox_logs_close(struct sandbox *s);
void sandbox_put(struct buf *b, struct sandbox *s);
void sandbox_record(const struct sandbox *s, const char *phase);
bool sandbox_reaped(pid_t pid, int status);
bool orphan_take(pid_t pid, int64_t since, int *status);
void orphan_keep(pid_t pid, int status);
void recover(void);
int64_t sandboxes_tick(int64_t now);

/* start.c, in a worker */
int box_start(const struct msg *o, struct buf *result);
int box_stop(const struct sandbox *s);
int box_destroy(const struct sandbox *s, const char *dir);
int layer_marks(const struct msg *o);

/* net.c, cgroup.c */
int net_make(const struct msg *o, int netns);
void net_remove(const char *hostif);
void cgroup_find(const char *override);
int cgroup_make(const char *id, int64_t memory, int64_t quota_us, int64_t pids);
int cgroup_join(const char *id);
int cgroup_kill(const char *id, int ms);
int cgroup_remove(const char *id, int ms);
int cgroup_pids(const char *id, pid_t *out, int max);
uint64_t cgroup_ooms(const char *id);
void cgroup_put(struct buf *b);
extern char cgroup_unified[PATH_MAX];

/* journal.c */
enum { LOG_STDOUT = 1, LOG_STDERR, LOG_ARC };
void journal_open(struct journal *j, const char *dir, uint64_t limit);
void journal_close(struct journal *j);
void journal_append(struct journal *j, int stream, const char *p, size_t n);

/* exec.c */
void exec_request(struct ref ref, struct sandbox *s, const struct msg *m);
void exec_attach(struct conn *c, uint32_t id, struct sandbox *s, const char *exec);
void exec_detach(struct conn *c);
bool exec_input(struct conn *c, const struct msg *m);
void exec_write(struct exec *e);
int exec_control(struct exec *e, unsigned type, const struct msg *m);
struct exec *exec_find(struct sandbox *s, const char *id);
void exec_put(struct buf *b, struct exec *e);
bool exec_reaped(pid_t pid, int status);
void execs_forget(struct sandbox *s);
void kill_family(const char *id, pid_t root);
int64_t execs_tick(struct sandbox *s, int64_t now);

/* files.c, in a worker */
_Noreturn void files_serve(int fd, uint32_t id, const struct sandbox *s, const char *root);
#endif
