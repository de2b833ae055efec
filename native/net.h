/* The network of a sandbox: rtnetlink messages that the client has made (src/host/helper/netlink.ts says what they do)
 * are sent as they are, but for the index of the interface. IPv6 is switched off on both ends. */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#define FD_USER 100 /* where the runtime finds the namespaces */
#define FD_NET 101
#define INDEX_HERE 0x7fa7c001u /* stands for the interface's index in a message */
static int talk(int nl, struct nlmsghdr *h) {
  struct { struct nlmsghdr h; struct nlmsgerr e; char rest[4096]; } reply;
  if (send(nl, h, h->nlmsg_len, 0) < 0 || recv(nl, &reply, sizeof reply, 0) < 36) return -1;
  return (errno = -reply.e.error) ? -1 : 0;
}
/* Sends a row of messages in hexadecimal, in the network namespace of the caller. */
static int net_send(const char *hex, const char *name) {
  static _Alignas(4) unsigned char bytes[4096];
  uint32_t n = 0, here = INDEX_HERE, index = if_nametoindex(name);
  int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), failed = nl < 0;
  for (; n < sizeof bytes && sscanf(hex + 2 * n, "%2hhx", bytes + n) == 1;) n++;
  for (uint32_t i = 0; i + 4 <= n; i += 4) if (!memcmp(bytes + i, &here, 4)) memcpy(bytes + i, &index, 4);
  for (struct nlmsghdr *h = (void *)bytes; !failed && NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) failed = talk(nl, h);
  if (failed) fail_errno(str("setting up the interface %s", name));
  return shut(nl), failed;
}
static int sysctl(const char *name, const char *value) { /* a kernel without IPv6 has none to switch off */
  char *path = str("/proc/sys/net/%s", name);
  return write_text(path, value) && errno != ENOENT ? fail_errno(path) : 0;
}
static void net_remove(const char *hostif) {
  struct { struct nlmsghdr h; struct ifinfomsg i; struct rtattr a; char name[16]; } del = {
    .h = {sizeof del, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 0, 0}, .a = {4 + sizeof del.name, IFLA_IFNAME}};
  int nl = *hostif ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) : -1;
  snprintf(del.name, sizeof del.name, "%s", hostif); if (nl >= 0) talk(nl, &del.h), close(nl);
}
static int net_make(const struct msg *o, int netns) {
  const char *name = get(o, "hostif"); int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), failed;
  net_remove(name); /* of an earlier life, when it is still there */
  if (home < 0 || dup3(netns, FD_NET, O_CLOEXEC) < 0) return fail_errno("network namespace");
  if (net_send(get(o, "netPair"), name) || sysctl(str("ipv6/conf/%s/disable_ipv6", name), "1") ||
      sysctl(str("ipv4/conf/%s/rp_filter", name), "1") || net_send(get(o, "netHost"), name)) return -1;
  if (setns(netns, CLONE_NEWNET)) return fail_errno("joining the network namespace");
  failed = sysctl("ipv6/conf/eth0/disable_ipv6", "1") || sysctl("ipv4/ip_unprivileged_port_start", "0") ||
           sysctl("ipv4/ping_group_range", "0 2147483647") || net_send(get(o, "netInside"), "eth0");
  return setns(home, CLONE_NEWNET) ? fail_errno("leaving the network namespace") : (close(home), failed);
}
