/*
 * One routed veth per sandbox, by rtnetlink: no bridge, no ARP (fixed addresses and permanent neighbours on both ends),
 * no IPv6 but on the loopback. Its address is decided by the slot.
 */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

static struct { struct nlmsghdr h; char data[1024]; } req;
static void *room_for(size_t n) {
  void *at = (char *)&req + NLMSG_ALIGN(req.h.nlmsg_len);
  req.h.nlmsg_len = (unsigned)(NLMSG_ALIGN(req.h.nlmsg_len) + n);
  return at;
}
static void begin(int type, int flags, const void *body, size_t n) {
  memset(&req, 0, sizeof req);
  req.h.nlmsg_len = NLMSG_HDRLEN, req.h.nlmsg_type = (uint16_t)type;
  req.h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags), memcpy(room_for(n), body, n);
}
static struct rtattr *attr(int type, const void *p, size_t n) {
  struct rtattr *a = room_for(RTA_LENGTH(n));
  a->rta_type = (uint16_t)type, a->rta_len = (uint16_t)RTA_LENGTH(n), memcpy(RTA_DATA(a), p, n);
  return a;
}
static void end(struct rtattr *a) { a->rta_len = (uint16_t)((char *)&req + req.h.nlmsg_len - (char *)a); }
static int talk(int nl) {
  struct { struct nlmsghdr h; struct nlmsgerr e; char rest[4096]; } reply;
  if (send(nl, &req, req.h.nlmsg_len, 0) < 0) return -1;
  if (recv(nl, &reply, sizeof reply, 0) < (ssize_t)NLMSG_LENGTH(sizeof reply.e) || reply.h.nlmsg_type != NLMSG_ERROR)
    return errno = EPROTO, -1;
  return (errno = -reply.e.error) ? -1 : 0;
}
static int rtnetlink(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }
static int link_up(int nl, int index) {
  begin(RTM_NEWLINK, 0, &(struct ifinfomsg){.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP},
        sizeof(struct ifinfomsg));
  return talk(nl);
}
/* `to` NULL is the default route. `source` is tried first and left out where the host doesn't hold it. */
static int route(int nl, int index, const void *to, const void *via, const void *source) {
  struct rtmsg r = {.rtm_family = AF_INET, .rtm_dst_len = to ? 32 : 0, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST,
                    .rtm_protocol = RTPROT_STATIC, .rtm_scope = via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK};
  begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &r, sizeof r);
  if (to) attr(RTA_DST, to, 4);
  if (via) attr(RTA_GATEWAY, via, 4);
  if (source) attr(RTA_PREFSRC, source, 4);
  attr(RTA_OIF, &index, 4);
  return !talk(nl) ? 0 : source && errno == EINVAL ? route(nl, index, to, via, NULL) : -1;
}
static int neighbour(int nl, int index, const void *address, const unsigned char *mac) {
  begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
        &(struct ndmsg){.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT}, sizeof(struct ndmsg));
  attr(NDA_DST, address, 4), attr(NDA_LLADDR, mac, 6);
  return talk(nl);
}
static void describe(const char *name, int mtu, const unsigned char *mac) {
  attr(IFLA_IFNAME, name, strlen(name) + 1), attr(IFLA_MTU, &mtu, 4), attr(IFLA_ADDRESS, mac, 6);
}
static int make_pair(int nl, const char *name, int mtu, const unsigned char *mac, const unsigned char *peer, int netns) {
  begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
  describe(name, mtu, mac);
  struct rtattr *info = attr(IFLA_LINKINFO, "", 0);
  attr(IFLA_INFO_KIND, "veth", 4);
  struct rtattr *data = attr(IFLA_INFO_DATA, "", 0), *other = attr(VETH_INFO_PEER, "", 0);
  room_for(sizeof(struct ifinfomsg)), describe("eth0", mtu, peer), attr(IFLA_NET_NS_FD, &netns, 4);
  end(other), end(data), end(info);
  return talk(nl);
}
static int sysctl(const char *name, const char *value) { /* a kernel without IPv6 has none to switch off */
  char *path = str("/proc/sys/net/%s", name);
  return write_text(path, value) && errno != ENOENT ? fail_errno(path) : 0;
}
static void net_remove(const char *hostif) {
  int nl = *hostif ? rtnetlink() : -1;
  begin(RTM_DELLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
  attr(IFLA_IFNAME, hostif, strlen(hostif) + 1);
  if (nl >= 0) talk(nl), close(nl);
}
static int net_inside(int netns, const unsigned char *host_mac, const void *address, const void *gate) {
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), failed = -1;
  if (home < 0 || setns(netns, CLONE_NEWNET)) return fail_errno("joining the network namespace");
  int nl = rtnetlink(), lo = (int)if_nametoindex("lo"), eth = (int)if_nametoindex("eth0");
  if (!sysctl("ipv6/conf/eth0/disable_ipv6", "1") && !sysctl("ipv4/ip_unprivileged_port_start", "0") &&
      !sysctl("ipv4/ping_group_range", "0 2147483647")) {
    begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
          &(struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (unsigned)eth},
          sizeof(struct ifaddrmsg));
    attr(IFA_LOCAL, address, 4), attr(IFA_ADDRESS, address, 4);
    failed = nl < 0 || talk(nl) || link_up(nl, lo) || link_up(nl, eth) || neighbour(nl, eth, gate, host_mac) ||
             route(nl, eth, gate, NULL, NULL) || route(nl, eth, NULL, gate, NULL);
    if (failed) fail_errno("setting up eth0");
  }
  if (nl >= 0) close(nl);
  if (setns(home, CLONE_NEWNET)) failed = fail_errno("leaving the network namespace");
  return close(home), failed;
}
static int net_make(const struct msg *o, int netns) {
  const char *name = get(o, "hostif");
  uint16_t slot = htons((uint16_t)get_num(o, "slot", 0));
  unsigned char mac[6] = {0x02, 0x61, 0x72, 0x00}, peer[6] = {0x02, 0x61, 0x72, 0x01};
  struct in_addr a, gate;
  if (inet_pton(AF_INET, get(o, "address"), &a) != 1 || inet_pton(AF_INET, get(o, "gateway"), &gate) != 1)
    return fail("invalid_request", "address or gateway is not an IPv4 address");
  memcpy(mac + 4, &slot, 2), memcpy(peer + 4, &slot, 2);
  net_remove(name); /* of an earlier life, when it is still there */
  int nl = rtnetlink(), failed = -1, index;
  if (nl < 0 || make_pair(nl, name, (int)get_num(o, "mtu", 1500), mac, peer, netns)) fail_errno("making the veth pair");
  else if (!sysctl(str("ipv6/conf/%s/disable_ipv6", name), "1") && !sysctl(str("ipv4/conf/%s/rp_filter", name), "1")) {
    index = (int)if_nametoindex(name);
    if (!index || link_up(nl, index) || neighbour(nl, index, &a, peer) || route(nl, index, &a, NULL, &gate))
      fail_errno("setting up the host's end of the veth pair");
    else failed = net_inside(netns, mac, &a, &gate);
  }
  return close(nl), failed;
}
