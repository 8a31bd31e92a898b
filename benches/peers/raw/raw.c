/* The raw write loop: what the kernel alone takes to write these frames to these sockets.
 *
 *     raw PORT TEXT EVENTS RATE STAFF CUSTOMERS JOIN
 *
 * One thread, no Kafka, no Avro, no tokens, no memory of who has what. It takes WebSocket upgrades at /ws?client=N, waits
 * for SIGUSR1, then writes EVENTS frames, RATE a second (0: at once): each to the clients 0 .. STAFF, and event n to client
 * STAFF + n % CUSTOMERS. JOIN events go to staff in one write. TEXT is a file with the text of a frame; the mark in it
 * (docs/bench.md) gets the number and the time of each event.
 *
 * Sockets block: a client that does not read holds up the rest, but nothing is lost. No server may do that, so nothing
 * that loses nothing is expected to be cheaper. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 20000, TEXT_MAX = 60000, JOIN_MAX = 64 };

static const char SWITCHING[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char MARK[] = "[bench ";
enum { RUN_WIDTH = 8, NUMBER_WIDTH = 10, TIME_WIDTH = 19 };

static int sockets[CLIENTS_MAX];
static char text[TEXT_MAX];
static size_t text_length;
static size_t number_at;
static volatile sig_atomic_t started;

static void start(int signal) {
  (void)signal;
  started = 1;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long long nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void read_text(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  text_length = fread(text, 1, TEXT_MAX, file);
  fclose(file);
  char *mark = memmem(text, text_length, MARK, sizeof MARK - 1);
  if (!mark || text_length == TEXT_MAX) {
    fprintf(stderr, "%s: no mark in it, or too long\n", path);
    exit(1);
  }
  number_at = (size_t)(mark - text) + sizeof MARK - 1 + RUN_WIDTH + 1;
}

static int open_listener(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* which accepted sockets inherit */
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
  return listener;
}

static void watch(int epoll, int file) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event)) fail("epoll_ctl");
}

/* A request is small and comes in one piece. */
static void answer(int client) {
  char request[4096];
  ssize_t length = recv(client, request, sizeof request - 1, 0);
  if (length <= 0) {
    close(client);
    return;
  }
  request[length] = 0;
  const char *number = strstr(request, "client=");
  int place = number ? atoi(number + 7) : -1;
  if (place < 0 || place >= CLIENTS_MAX) {
    close(client);
    return;
  }
  sockets[place] = client;
  if (send(client, SWITCHING, sizeof SWITCHING - 1, MSG_NOSIGNAL) < 0) close(client);
}

static void let_in_until_started(int listener) {
  int epoll = epoll_create1(0);
  watch(epoll, listener);
  puts("READY");
  fflush(stdout);
  while (!started) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, 256, 20);
    for (int i = 0; i < count; i++) {
      int file = events[i].data.fd;
      if (file != listener) {
        answer(file);
        continue;
      }
      for (int client; (client = accept4(listener, 0, 0, 0)) >= 0;) watch(epoll, client);
    }
  }
}

/* The frame of an event, behind what is in the buffer; returns its length. */
static size_t append_frame(unsigned char *buffer, long long number) {
  char digits[32];
  snprintf(digits, sizeof digits, "%010lld", number);
  memcpy(text + number_at, digits, NUMBER_WIDTH);
  snprintf(digits, sizeof digits, "%019lld", nanoseconds(CLOCK_REALTIME));
  memcpy(text + number_at + NUMBER_WIDTH + 1, digits, TIME_WIDTH);
  buffer[0] = 0x81;
  buffer[1] = 126;
  buffer[2] = (unsigned char)(text_length >> 8);
  buffer[3] = (unsigned char)text_length;
  memcpy(buffer + 4, text, text_length);
  return text_length + 4;
}

static void write_all(int socket, const unsigned char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = send(socket, bytes, length, MSG_NOSIGNAL);
    if (written < 0) return;
    bytes += written;
    length -= (size_t)written;
  }
}

static void wait_for(long long due) {
  for (long long left; (left = due - nanoseconds(CLOCK_MONOTONIC)) > 0;) {
    struct timespec pause = {left / 1000000000, left % 1000000000};
    nanosleep(&pause, 0);
  }
}

int main(int count, char **arguments) {
  if (count != 8) {
    fprintf(stderr, "raw PORT TEXT EVENTS RATE STAFF CUSTOMERS JOIN\n");
    return 2;
  }
  read_text(arguments[2]);
  long long events = atoll(arguments[3]);
  double rate = atof(arguments[4]);
  int staff = atoi(arguments[5]), customers = atoi(arguments[6]), join = atoi(arguments[7]);
  if (join < 1 || join > JOIN_MAX || staff + customers > CLIENTS_MAX) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGUSR1, start);
  let_in_until_started(open_listener(atoi(arguments[1])));

  unsigned char *buffer = malloc((size_t)join * (text_length + 4));
  size_t frame_length = text_length + 4;
  long long begun = nanoseconds(CLOCK_MONOTONIC);
  for (long long event = 0; event < events; event += join) {
    int joined = events - event < join ? (int)(events - event) : join;
    if (rate > 0) wait_for(begun + (long long)((double)(event + joined - 1) / rate * 1e9));
    for (int i = 0; i < joined; i++) append_frame(buffer + (size_t)i * frame_length, event + i);
    for (int client = 0; client < staff; client++) write_all(sockets[client], buffer, (size_t)joined * frame_length);
    for (int i = 0; customers > 0 && i < joined; i++)
      write_all(sockets[staff + (event + i) % customers], buffer + (size_t)i * frame_length, frame_length);
  }
  pause(); /* the clients go first */
}
