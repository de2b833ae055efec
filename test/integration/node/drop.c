/* What servers that start as root do: gives up groups, gid and uid, then must not get them back. */
#define _GNU_SOURCE
#include <grp.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
  if (setgroups(0, NULL)) return perror("setgroups"), 1;
  if (setgid(33)) return perror("setgid"), 1;
  if (setuid(33)) return perror("setuid"), 1;
  printf("%d %d %s\n", getuid(), getgid(), setuid(0) ? "for good" : "got root back");
  return 0;
}
