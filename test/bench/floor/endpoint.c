/*
 * endpoint TABLE SET: the kernel work of one container's link, in as few sends as there can be. It answers each line `SANDBOX NUMBER` of the
 * standard input, SANDBOX being the path of a network namespace, with the microseconds of: a veth pair with an end in the sandbox; MAC, MTU,
 * alias, settings, addresses, routes and permanent neighbours of both ends, both up; an element `link name . address` in SET of TABLE (inet).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

#include "netlink.h"

#define CREATE (NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
#define PROTOCOL 64

static const char *table, *set;
static int home, route, nft;
static unsigned char gateway[16] = {0xfe, 0x80, [15] = 1};
static unsigned char container[16] = {0x20, 1, 0x0d, 0xb8, 0, 0xf};
static unsigned char mac[2][6] = {{2, 0x64, 1}, {2, 0x64, 2}};
static char name[IFNAMSIZ];

static void number(int type, unsigned value) { attribute(type, &value, sizeof value); }

static void change(int index, unsigned flags) {
  struct ifinfomsg header = {.ifi_index = index, .ifi_flags = flags, .ifi_change = flags};
  begin(RTM_SETLINK, NLM_F_ACK, &header, sizeof header);
}

static void alias(int index, const char *value) {
  change(index, 0);
  text(IFLA_IFALIAS, value);
  end();
}

/* No address of its own, then up: two messages, or the kernel gives it one first. */
static void up(int index) {
  unsigned char none = IN6_ADDR_GEN_MODE_NONE;
  change(index, 0);
  struct nlattr *families = nest(IFLA_AF_SPEC | NLA_F_NESTED);
  struct nlattr *inet6 = nest(AF_INET6 | NLA_F_NESTED);
  attribute(IFLA_INET6_ADDR_GEN_MODE, &none, 1);
  close_nest(inet6);
  close_nest(families);
  end();
  change(index, IFF_UP);
  end();
}

static void address(int index, const unsigned char *value) {
  struct ifaddrmsg header = {
      .ifa_family = AF_INET6, .ifa_prefixlen = 128, .ifa_flags = IFA_F_NODAD, .ifa_index = index};
  begin(RTM_NEWADDR, CREATE, &header, sizeof header);
  attribute(IFA_LOCAL, value, 16);
  end();
}

static void neighbour(int index, const unsigned char *value, const unsigned char *lladdr) {
  struct ndmsg header = {.ndm_family = AF_INET6, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
  begin(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof header);
  attribute(NDA_DST, value, 16);
  attribute(NDA_LLADDR, lladdr, 6);
  end();
}

static void way(int index, const unsigned char *to, int length, const unsigned char *from, const unsigned char *via) {
  struct rtmsg header = {.rtm_family = AF_INET6,
                         .rtm_dst_len = length,
                         .rtm_src_len = from ? 128 : 0,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = PROTOCOL,
                         .rtm_type = RTN_UNICAST};
  begin(RTM_NEWROUTE, CREATE, &header, sizeof header);
  attribute(RTA_DST, to, 16);
  if (from) attribute(RTA_SRC, from, 16);
  if (via) attribute(RTA_GATEWAY, via, 16);
  number(RTA_OIF, index);
  end();
}

/* Makes the pair; its indexes come back with the answer. */
static void pair(int sandbox, int *index, int *peer) {
  struct ifinfomsg none = {0};
  begin(RTM_NEWLINK, CREATE | NLM_F_ECHO, &none, sizeof none);
  text(IFLA_IFNAME, name);
  attribute(IFLA_ADDRESS, mac[0], 6);
  number(IFLA_MTU, 1500);
  struct nlattr *info = nest(IFLA_LINKINFO | NLA_F_NESTED);
  attribute(IFLA_INFO_KIND, "veth", 4);
  struct nlattr *data = nest(IFLA_INFO_DATA | NLA_F_NESTED);
  struct nlattr *other = nest(VETH_INFO_PEER | NLA_F_NESTED);
  append(&none, sizeof none);
  text(IFLA_IFNAME, "born0");
  attribute(IFLA_ADDRESS, mac[1], 6);
  number(IFLA_MTU, 1500);
  number(IFLA_NET_NS_FD, sandbox);
  close_nest(other);
  close_nest(data);
  close_nest(info);
  end();
  send_all(route, 1, "pair");
  struct nlmsghdr *answer = (void *)echo;
  struct ifinfomsg *link = NLMSG_DATA(answer);
  struct rtattr *one = IFLA_RTA(link);
  *index = link->ifi_index;
  for (int length = IFLA_PAYLOAD(answer); RTA_OK(one, length); one = RTA_NEXT(one, length))
    if (one->rta_type == IFLA_LINK) memcpy(peer, RTA_DATA(one), 4);
}

/* What the link would take from a router: off. */
static void settings(void) {
  static const char *const all[] = {"accept_ra", "autoconf", "accept_redirects"};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", name, all[i]);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) fail(path);
    close(fd);
  }
}

#define ID "0000000000000000000000000000000000000000000000000000000000000000"

static void near_end(int index) {
  alias(index, "slash64/" ID "/" ID);
  up(index);
  address(index, gateway);
  neighbour(index, container, mac[1]);
  way(index, container, 128, 0, 0);
  send_all(route, 6, "near end");
}

static void far_end(int sandbox, int index) {
  static const unsigned char any[16];
  unsigned char group[16];
  memcpy(group, container, 14);
  group[14] = group[15] = 0;
  if (setns(sandbox, CLONE_NEWNET)) fail("setns");
  int inside = open_netlink(NETLINK_ROUTE);
  alias(1, "slash64: a link was born here");
  up(index);
  address(index, container);
  way(index, gateway, 128, 0, 0);
  neighbour(index, gateway, mac[0]);
  way(index, group, 112, any, gateway);
  way(index, any, 0, container, gateway);
  send_all(inside, 8, "far end");
  close(inside);
  if (setns(home, CLONE_NEWNET)) fail("setns back");
}

static void element(void) {
  struct nfgenmsg header = {.nfgen_family = 1 /* inet */};
  unsigned char key[32] = {0};
  memcpy(key, name, strlen(name));
  memcpy(key + 16, container, 16);
  border(NFNL_MSG_BATCH_BEGIN);
  begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK, &header, sizeof header);
  text(NFTA_SET_ELEM_LIST_TABLE, table);
  text(NFTA_SET_ELEM_LIST_SET, set);
  struct nlattr *list = nest(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
  struct nlattr *item = nest(NFTA_LIST_ELEM | NLA_F_NESTED);
  struct nlattr *data = nest(NFTA_SET_ELEM_KEY | NLA_F_NESTED);
  attribute(NFTA_DATA_VALUE, key, sizeof key);
  close_nest(data);
  close_nest(item);
  close_nest(list);
  end();
  border(NFNL_MSG_BATCH_END);
  send_all(nft, 1, "element");
}

int main(int argc, char **argv) {
  char path[256];
  unsigned count;
  if (argc != 3) return 2;
  table = argv[1], set = argv[2];
  home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  route = open_netlink(NETLINK_ROUTE);
  nft = open_netlink(NETLINK_NETFILTER);
  while (scanf("%255s %u", path, &count) == 2) {
    int index = 0, peer = 0;
    snprintf(name, sizeof name, "floor%u", count);
    container[14] = mac[0][4] = mac[1][4] = count >> 8;
    container[15] = mac[0][5] = mac[1][5] = count;
    double began = microseconds();
    int sandbox = open(path, O_RDONLY | O_CLOEXEC);
    if (sandbox < 0) fail(path);
    pair(sandbox, &index, &peer);
    settings();
    near_end(index);
    far_end(sandbox, peer);
    element();
    close(sandbox);
    printf("%.2f\n", microseconds() - began);
    fflush(stdout);
  }
  return 0;
}
