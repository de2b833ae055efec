/*
 * Sends GET requests over kept connections and measures the answers; one process, one core, no allocation per request,
 * so that it is not what is measured.
 *
 *     load PORT HOSTS CONNECTIONS SECONDS RATE
 *
 * HOSTS is a file of Host values, one a line, taken in turn. RATE 0: each connection sends its next request when the
 * last is answered. Else RATE requests a second are due at fixed times whatever the server does, and each is counted
 * from when it was due, so a server that stalls pays for every request that had to wait (no coordinated omission).
 * Prints one line of JSON: answers, errors (not 200), seconds, and latency in µs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX 20000
#define ANSWER_MAX 8192
#define SAMPLES_MAX (16 * 1024 * 1024)

struct connection {
	int fd;
	int busy;
	int64_t due;
	size_t held;
	char answer[ANSWER_MAX + 1];
};

static char *requests[HOSTS_MAX];
static size_t request_sizes[HOSTS_MAX];
static int host_count, next_host;
static uint32_t *samples;
static size_t sample_count;
static long errors;
static int port;

static int64_t now_ns(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void read_hosts(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[300];
	if (!file) die(path);
	while (host_count < HOSTS_MAX && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = 0;
		if (asprintf(&requests[host_count], "GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n",
			     line) < 0) die("asprintf");
		request_sizes[host_count] = strlen(requests[host_count]);
		host_count++;
	}
	fclose(file);
}

static void open_connection(struct connection *c, int epoll)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1;
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->busy = 0;
	c->held = 0;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
}

static void send_request(struct connection *c, int64_t due)
{
	c->due = due;
	c->busy = 1;
	c->held = 0;
	if (write(c->fd, requests[next_host], request_sizes[next_host]) != (ssize_t)request_sizes[next_host]) errors++;
	next_host = (next_host + 1) % host_count;
}

/* 1: a whole answer is there. 0: not yet. -1: the connection is of no use any more. */
static int read_answer(struct connection *c)
{
	ssize_t got = read(c->fd, c->answer + c->held, ANSWER_MAX - c->held);
	if (got < 0 && errno == EAGAIN) return 0;
	if (got <= 0) return -1;
	c->held += got;
	c->answer[c->held] = 0;
	char *end = strstr(c->answer, "\r\n\r\n");
	if (!end) return c->held == ANSWER_MAX ? -1 : 0;
	char *length = strcasestr(c->answer, "\r\ncontent-length:");
	if (!length || length > end) return -1;
	return c->held >= (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

static void count_answer(struct connection *c, int64_t now)
{
	c->busy = 0;
	if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0) errors++;
	if (sample_count < SAMPLES_MAX) samples[sample_count++] = (now - c->due) / 1000;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t share(double part)
{
	size_t at = sample_count * part;
	return sample_count == 0 ? 0 : samples[at < sample_count ? at : sample_count - 1];
}

int main(int argc, char **argv)
{
	if (argc != 6) return fprintf(stderr, "load PORT HOSTS CONNECTIONS SECONDS RATE\n"), 2;
	port = atoi(argv[1]);
	read_hosts(argv[2]);
	int count = atoi(argv[3]);
	double seconds = atof(argv[4]), rate = atof(argv[5]);
	samples = malloc(SAMPLES_MAX * sizeof *samples);
	struct connection *all = calloc(count, sizeof *all), **idle = calloc(count, sizeof *idle);
	int epoll = epoll_create1(0), idle_count = 0;
	if (!samples || !all || !idle || epoll < 0 || host_count == 0) die("start");
	for (int i = 0; i < count; i++) open_connection(&all[i], epoll);
	int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9), now = start;
	for (int i = 0; i < count; i++) {
		if (rate == 0) send_request(&all[i], now);
		else idle[idle_count++] = &all[i];
	}
	uint64_t sent = 0, wanted = (uint64_t)(seconds * rate);
	int open = rate == 0 ? count : 0;
	struct epoll_event events[256];
	while (rate == 0 ? open > 0 : sent < wanted || open > 0) {
		int64_t due = rate == 0 ? 0 : start + (int64_t)(sent * 1e9 / rate);
		while (rate != 0 && sent < wanted && idle_count > 0 && due <= now) {
			send_request(idle[--idle_count], due);
			open++;
			due = start + (int64_t)(++sent * 1e9 / rate);
		}
		int64_t wait = rate != 0 && sent < wanted && idle_count > 0 ? due - now_ns() : 1000000000LL;
		if (wait < 0) wait = 0;
		struct timespec timeout = { wait / 1000000000LL, wait % 1000000000LL };
		int ready = epoll_pwait2(epoll, events, 256, &timeout, NULL);
		now = now_ns();
		if (now > end + 5000000000LL) break;
		for (int i = 0; i < ready; i++) {
			struct connection *c = events[i].data.ptr;
			int got = read_answer(c);
			if (got == 0) continue;
			int was_busy = c->busy;
			if (was_busy) open--;
			if (got > 0) count_answer(c, now);
			if (got < 0) {
				errors++;
				close(c->fd);
				open_connection(c, epoll);
				c->busy = 0;
			}
			if (rate != 0 && was_busy) idle[idle_count++] = c;
			else if (rate == 0 && now < end) send_request(c, now), open++;
		}
	}
	double took = (now_ns() - start) / 1e9;
	qsort(samples, sample_count, sizeof *samples, ascending);
	printf("{\"answers\":%zu,\"errors\":%ld,\"unanswered\":%d,\"seconds\":%.3f,\"p50\":%u,\"p90\":%u,\"p99\":%u,\"p999\":%u}\n",
	       sample_count, errors, open, took, share(0.5), share(0.9), share(0.99), share(0.999));
	return 0;
}
