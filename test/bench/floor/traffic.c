/*
 * Traffic between two network namespaces, over IPv6 or over IPv4 in the mapped form (::ffff:10.0.0.1).
 *
 *   traffic serve PORT                                    prints "ready" and serves on PORT … PORT + 3 until it is killed
 *   traffic KIND ADDRESS PORT MILLISECONDS STREAMS CPU SERVER_CPU   prints one figure:
 *     stream   Mbit/s that STREAMS connections carry to the server
 *     turns    round trips of one byte a second, one after the other on one connection
 *     packets  datagrams of 16 bytes a second that the server got
 *     connect  connections a second: opened, one byte there, one back, closed by the server
 *
 * Client and server stay on the processors that they are given; of several streams each has the next two. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STREAM, TURNS, CONNECT, PACKETS };
#define BLOCK (128 << 10)
#define BATCH 64

static char block[BLOCK];

static void fail(const char *what) {
  fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void say(int fd, const void *data, size_t length) {
  if (write(fd, data, length) != (ssize_t)length) fail("write");
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void run_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
  if (sched_setaffinity(0, sizeof set, &set)) fail("sched_setaffinity");
}

static int fork_child(void) {
  int child = fork();
  if (child < 0) fail("fork");
  if (child == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return child;
}

static int open_socket(int type, int port) {
  struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  int on = 1, off = 0, size = 8 << 20, fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (type == SOCK_STREAM) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  else setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (port && bind(fd, (void *)&here, sizeof here)) fail("bind");
  if (port && type == SOCK_STREAM && listen(fd, 1024)) fail("listen");
  return fd;
}

/* The first byte of every connection is the processor that is to serve it. */
static void serve_one(int fd, int echo) {
  char cpu;
  ssize_t length;
  if (read(fd, &cpu, 1) != 1) return;
  run_on(cpu);
  while ((length = read(fd, block, echo ? 1 : BLOCK)) > 0)
    if (echo && write(fd, block, length) != length) return;
}

static void serve_connections(int port, int echo) {
  int listener = open_socket(SOCK_STREAM, port);
  for (int fd;; close(fd)) {
    if ((fd = accept(listener, 0, 0)) < 0 || fork_child() != 0) continue;
    serve_one(fd, echo);
    exit(0);
  }
}

static void serve_short(int port) {
  int listener = open_socket(SOCK_STREAM, port), last = -1;
  for (;;) {
    char cpu;
    int fd = accept(listener, 0, 0);
    if (fd < 0) continue;
    if (read(fd, &cpu, 1) == 1) {
      if (cpu != last) run_on(last = cpu);
      send(fd, &cpu, 1, MSG_NOSIGNAL);
    }
    close(fd);
  }
}

/* Counts datagrams; one of two bytes (a processor and a question mark) asks how many there were. */
static void serve_packets(int port) {
  static char room[BATCH][64];
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH];
  struct sockaddr_in6 from[BATCH];
  unsigned long long count = 0;
  int fd = open_socket(SOCK_DGRAM, port);
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      parts[i] = (struct iovec){room[i], sizeof room[i]};
      messages[i].msg_hdr = (struct msghdr){
          .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, 0);
    for (int i = 0; i < got; i++) {
      if (messages[i].msg_len != 2 && ++count) continue;
      run_on(room[i][0]);
      sendto(fd, &count, sizeof count, 0, (void *)&from[i], sizeof from[i]);
    }
  }
}

static void serve(int port) {
  signal(SIGCHLD, SIG_IGN);
  if (fork_child() == 0) serve_connections(port + STREAM, 0);
  if (fork_child() == 0) serve_connections(port + TURNS, 1);
  if (fork_child() == 0) serve_short(port + CONNECT);
  if (fork_child() == 0) serve_packets(port + PACKETS);
  usleep(50000);
  puts("ready");
  fflush(stdout);
  pause();
}

static struct sockaddr_in6 server;

static int dial(int type, int port) {
  struct timeval patience = {.tv_sec = 2};
  int fd = open_socket(type, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  server.sin6_port = htons(port);
  if (connect(fd, (void *)&server, sizeof server)) fail("connect");
  return fd;
}

static double stream_one(int port, double time, int cpu, char other) {
  int fd = dial(SOCK_STREAM, port);
  double began, sent = 0;
  run_on(cpu);
  say(fd, &other, 1);
  /* A tenth of the time for the window to open. */
  for (began = seconds(); seconds() - began < time / 10;) say(fd, block, BLOCK);
  for (began = seconds(); seconds() - began < time; sent += BLOCK) say(fd, block, BLOCK);
  return sent * 8 / 1e6 / (seconds() - began);
}

static double stream(int port, double time, int streams, int cpu, int other) {
  int ends[2];
  double sum = 0, one;
  if (pipe(ends)) fail("pipe");
  for (int i = 0; i < streams; i++)
    if (fork_child() == 0) {
      one = stream_one(port, time, cpu + i, other + i);
      say(ends[1], &one, sizeof one);
      exit(0);
    }
  close(ends[1]);
  for (int i = 0; i < streams; i++, sum += one)
    if (read(ends[0], &one, sizeof one) != sizeof one) exit(1);
  return sum;
}

static double turns(int port, double time, int cpu, char byte) {
  int fd = dial(SOCK_STREAM, port);
  double began, count = 0;
  run_on(cpu);
  say(fd, &byte, 1);
  for (began = seconds(); seconds() - began < time; count++) {
    say(fd, &byte, 1);
    if (read(fd, &byte, 1) != 1) fail("read");
  }
  return count / (seconds() - began);
}

static double connections(int port, double time, int cpu, char byte) {
  double began, count = 0;
  run_on(cpu);
  for (began = seconds(); seconds() - began < time; count++) {
    int fd = dial(SOCK_STREAM, port);
    say(fd, &byte, 1);
    if (read(fd, &byte, 1) != 1 || read(fd, block, 1) != 0) fail("read");
    close(fd);
  }
  return count / (seconds() - began);
}

static unsigned long long counted(int fd, char cpu) {
  char question[2] = {cpu, '?'};
  unsigned long long count;
  struct timeval patience = {.tv_usec = 40000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (int attempt = 0; attempt < 50; attempt++) {
    say(fd, question, sizeof question);
    if (read(fd, &count, sizeof count) == sizeof count) return count;
  }
  fail("the server does not say how many datagrams came");
  return 0;
}

static double packets(int port, double time, int cpu, char other) {
  double began;
  struct iovec part = {block, 16};
  struct mmsghdr messages[BATCH];
  int fd = dial(SOCK_DGRAM, port);
  run_on(cpu);
  for (int i = 0; i < BATCH; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
  unsigned long long before = counted(fd, other);
  for (began = seconds(); seconds() - began < time;)
    if (sendmmsg(fd, messages, BATCH, 0) < 0 && errno != ENOBUFS) fail("sendmmsg");
  time = seconds() - began;
  return (counted(fd, other) - before) / time;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]));
  if (argc != 8) return 2;
  const char *kind = argv[1];
  int port = atoi(argv[3]), streams = atoi(argv[5]), cpu = atoi(argv[6]), other = atoi(argv[7]);
  double time = atof(argv[4]) / 1000, figure;
  server.sin6_family = AF_INET6;
  if (inet_pton(AF_INET6, argv[2], &server.sin6_addr) != 1) return 2;
  if (strcmp(kind, "stream") == 0) figure = stream(port + STREAM, time, streams, cpu, other);
  else if (strcmp(kind, "turns") == 0) figure = turns(port + TURNS, time, cpu, other);
  else if (strcmp(kind, "connect") == 0) figure = connections(port + CONNECT, time, cpu, other);
  else if (strcmp(kind, "packets") == 0) figure = packets(port + PACKETS, time, cpu, other);
  else return 2;
  printf("%.2f\n", figure);
  return 0;
}
