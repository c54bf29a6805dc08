/* Netlink messages built by hand in one buffer: the least that a program can do to tell the kernel something. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char out[16 << 20];
static size_t used;
static unsigned sequence;
static struct nlmsghdr *message;

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static double microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static int open_netlink(int protocol) {
  int size = 64 << 20;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  return fd;
}

static void *append(const void *data, size_t length) {
  void *at = out + used;
  if (data) memcpy(at, data, length);
  memset(out + used + length, 0, NLMSG_ALIGN(length) - length);
  used += NLMSG_ALIGN(length);
  return at;
}

static void begin(int type, int flags, const void *header, size_t length) {
  struct nlmsghdr start = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++sequence};
  message = append(&start, sizeof start);
  append(header, length);
}

static void end(void) { message->nlmsg_len = out + used - (char *)message; }

static void attribute(int type, const void *data, size_t length) {
  struct nlattr head = {.nla_len = NLA_HDRLEN + length, .nla_type = type};
  append(&head, sizeof head);
  append(data, length);
}

static void text(int type, const char *value) { attribute(type, value, strlen(value) + 1); }

static struct nlattr *nest(int type) {
  struct nlattr head = {.nla_len = 0, .nla_type = type};
  return append(&head, sizeof head);
}

static void close_nest(struct nlattr *head) { head->nla_len = out + used - (char *)head; }

/* Sends what is in the buffer, and reads `answers` acknowledgements; a refusal ends the program. What is no acknowledgement stays in `echo`. */
static char echo[32768];
static void send_all(int fd, int answers, const char *what) {
  static char in[65536];
  if (send(fd, out, used, 0) < 0) fail(what);
  used = 0;
  while (answers > 0) {
    int length = recv(fd, in, sizeof in, 0);
    if (length < 0) fail(what);
    for (struct nlmsghdr *one = (void *)in; NLMSG_OK(one, (unsigned)length); one = NLMSG_NEXT(one, length)) {
      if (one->nlmsg_type != NLMSG_ERROR) {
        if (one->nlmsg_len <= sizeof echo) memcpy(echo, one, one->nlmsg_len);
        continue;
      }
      errno = -((struct nlmsgerr *)NLMSG_DATA(one))->error;
      if (errno) fail(what);
      answers--;
    }
  }
}

/* The borders of a transaction of nf_tables (linux/netfilter/nfnetlink.h). */
static void border(int type) {
  struct nfgenmsg header = {.res_id = htons(NFNL_SUBSYS_NFTABLES)};
  begin(type, 0, &header, sizeof header);
  end();
}
