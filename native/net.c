/*
 * One routed veth per sandbox, by rtnetlink: no bridge, no ARP (fixed addresses and permanent neighbours on both ends),
 * no IPv6 but on the loopback. Its address is decided by the slot.
 */
#include "arc.h"
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

static struct { struct nlmsghdr h; char data[1024]; } req;

static void *room(size_t n) {
  void *at = (char *)&req + NLMSG_ALIGN(req.h.nlmsg_len);
  req.h.nlmsg_len = (unsigned)(NLMSG_ALIGN(req.h.nlmsg_len) + n);
  return at;
}

static void *begin(int type, int flags, size_t body) {
  memset(&req, 0, sizeof req);
  req.h = (struct nlmsghdr){.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = (uint16_t)type,
                            .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)};
  return room(body);
}

static struct rtattr *attr(int type, const void *p, size_t n) {
  struct rtattr *a = room(RTA_LENGTH(n));
  a->rta_type = (uint16_t)type, a->rta_len = (uint16_t)RTA_LENGTH(n);
  if (n) memcpy(RTA_DATA(a), p, n);
  return a;
}

static void end(struct rtattr *a) { a->rta_len = (uint16_t)((char *)&req + req.h.nlmsg_len - (char *)a); }

static int talk(int nl) {
  char reply[4096];
  if (send(nl, &req, req.h.nlmsg_len, 0) < 0) return -1;
  ssize_t n = recv(nl, reply, sizeof reply, 0);
  const struct nlmsghdr *h = (void *)reply;
  if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR) return errno = EPROTO, -1;
  errno = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
  return errno ? -1 : 0;
}

static int link_up(int nl, int index) {
  struct ifinfomsg *i = begin(RTM_NEWLINK, 0, sizeof *i);
  i->ifi_index = index, i->ifi_flags = IFF_UP, i->ifi_change = IFF_UP;
  return talk(nl);
}

/* `to` NULL is the default route. `source` is tried first and left out where the host doesn't hold it. */
static int route(int nl, int index, const void *to, const void *via, const void *source) {
  struct rtmsg *r = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof *r);
  r->rtm_family = AF_INET, r->rtm_dst_len = to ? 32 : 0, r->rtm_table = RT_TABLE_MAIN;
  r->rtm_protocol = RTPROT_STATIC, r->rtm_type = RTN_UNICAST;
  r->rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  if (to) attr(RTA_DST, to, 4);
  if (via) attr(RTA_GATEWAY, via, 4);
  if (source) attr(RTA_PREFSRC, source, 4);
  attr(RTA_OIF, &index, 4);
  if (!talk(nl)) return 0;
  return source && errno == EINVAL ? route(nl, index, to, via, NULL) : -1;
}

static int neighbour(int nl, int index, const void *address, const unsigned char *mac) {
  struct ndmsg *n = begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof *n);
  n->ndm_family = AF_INET, n->ndm_ifindex = index, n->ndm_state = NUD_PERMANENT;
  attr(NDA_DST, address, 4);
  attr(NDA_LLADDR, mac, 6);
  return talk(nl);
}

static int make_pair(int nl, const char *name, int mtu, const unsigned char *mac, const unsigned char *peer, int netns) {
  struct ifinfomsg *i = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *i);
  (void)i;
  attr(IFLA_IFNAME, name, strlen(name) + 1);
  attr(IFLA_MTU, &mtu, 4);
  attr(IFLA_ADDRESS, mac, 6);
  struct rtattr *info = attr(IFLA_LINKINFO, NULL, 0);
  attr(IFLA_INFO_KIND, "veth", 4);
  struct rtattr *data = attr(IFLA_INFO_DATA, NULL, 0), *other = attr(VETH_INFO_PEER, NULL, 0);
  room(sizeof(struct ifinfomsg));
  attr(IFLA_IFNAME, "eth0", 5);
  attr(IFLA_MTU, &mtu, 4);
  attr(IFLA_ADDRESS, peer, 6);
  attr(IFLA_NET_NS_FD, &netns, 4);
  end(other), end(data), end(info);
  return talk(nl);
}

static int sysctl(const char *fmt, const char *name, const char *value) {
  char path[128];
  snprintf(path, sizeof path, fmt, name);
  return write_file(AT_FDCWD, path, value, 0) && errno != ENOENT ? fail_errno(path) : 0;
}

void net_remove(const char *hostif) {
  int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (nl < 0 || !*hostif) return;
  begin(RTM_DELLINK, 0, sizeof(struct ifinfomsg));
  attr(IFLA_IFNAME, hostif, strlen(hostif) + 1);
  talk(nl);
  close(nl);
}

static int inside(int netns, const unsigned char *host_mac, const struct in_addr *address, const struct in_addr *gate) {
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), failed = -1;
  if (home < 0 || setns(netns, CLONE_NEWNET)) return fail_errno("joining the network namespace");
  int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int lo = (int)if_nametoindex("lo"), eth = (int)if_nametoindex("eth0");
  if (nl < 0 || !lo || !eth || link_up(nl, lo)) fail_errno("setting up the loopback");
  else if (!sysctl("/proc/sys/net/ipv6/conf/%s/disable_ipv6", "eth0", "1") &&
           !sysctl("/proc/sys/net/ipv4/%s", "ip_unprivileged_port_start", "0") &&
           !sysctl("/proc/sys/net/ipv4/%s", "ping_group_range", "0 2147483647")) {
    struct ifaddrmsg *a = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *a);
    a->ifa_family = AF_INET, a->ifa_prefixlen = 32, a->ifa_index = (unsigned)eth;
    attr(IFA_LOCAL, address, 4);
    attr(IFA_ADDRESS, address, 4);
    if (talk(nl) || link_up(nl, eth) || neighbour(nl, eth, gate, host_mac) || route(nl, eth, gate, NULL, NULL) ||
        route(nl, eth, NULL, gate, NULL))
      fail_errno("setting up eth0");
    else failed = 0;
  }
  if (nl >= 0) close(nl);
  if (setns(home, CLONE_NEWNET)) failed = fail_errno("leaving the network namespace");
  close(home);
  return failed;
}

int net_make(const struct msg *o, int netns) {
  const char *name = get(o, "hostif"), *address = get(o, "address"), *gateway = get(o, "gateway");
  uint16_t slot = htons((uint16_t)get_int(o, "slot", 0));
  unsigned char mac[6] = {0x02, 0x61, 0x72, 0x00}, peer[6] = {0x02, 0x61, 0x72, 0x01};
  struct in_addr a, gate;
  if (inet_pton(AF_INET, address ? address : "", &a) != 1 || inet_pton(AF_INET, gateway ? gateway : "", &gate) != 1)
    return fail("invalid_request", "address or gateway is not an IPv4 address");
  memcpy(mac + 4, &slot, 2), memcpy(peer + 4, &slot, 2);
  net_remove(name); /* of an earlier life, when it is still there */
  int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), failed = -1;
  if (nl < 0) return fail_errno("netlink");
  if (make_pair(nl, name, (int)get_int(o, "mtu", 1500), mac, peer, netns)) fail_errno("making the veth pair");
  else if (!sysctl("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name, "1") &&
           !sysctl("/proc/sys/net/ipv4/conf/%s/rp_filter", name, "1")) {
    int index = (int)if_nametoindex(name);
    if (!index || link_up(nl, index) || neighbour(nl, index, &a, peer) || route(nl, index, &a, NULL, &gate))
      fail_errno("setting up the host's end of the veth pair");
    else failed = inside(netns, mac, &a, &gate);
  }
  close(nl);
  return failed;
}
