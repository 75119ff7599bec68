/* tests/server/notify.c: what arrives at the socket that systemd names. */
#include "server/notify.h"
#include "core/io/net.h"
#include "tests/lib/tap.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int manager = -1;

static void manager_open(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int len = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "leat-notify-%d", getpid());
	char name[64];

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	check(bind(manager, (struct sockaddr *)&un,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0);
	snprintf(name, sizeof(name), "@leat-notify-%d", getpid());
	setenv("NOTIFY_SOCKET", name, 1);
}

/* The next message, empty when there is none. */
static const char *manager_read(void)
{
	static char text[4096];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void without_a_manager_nothing_happens(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	notify_ready("serving");
	notify_watchdog();
	notify_status("n=%d", 1);
	is_int(notify_watchdog_ms(), 0);
}

static void ready_comes_with_a_status(void)
{
	notify_ready("serving 3 routes");
	is_text(manager_read(), "READY=1\nSTATUS=serving 3 routes");
	notify_ready(NULL);
	is_text(manager_read(), "READY=1\n");
	is_text(manager_read(), "");
}

static void reloading_says_since_when(void)
{
	struct timespec now;
	uint64_t now_us, said_us = 0;

	notify_reloading();
	is_int(sscanf(manager_read(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &said_us), 1);
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	is_true(said_us <= now_us && said_us + 10000000 > now_us);
}

static void stopping_comes_with_a_status(void)
{
	notify_stopping("draining");
	is_text(manager_read(), "STOPPING=1\nSTATUS=draining");
}

static void a_status_is_one_line(void)
{
	char long_text[2000];

	notify_status("%d routes\nREADY=1", 3);
	is_text(manager_read(), "STATUS=3 routes READY=1");
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	notify_status("%s", long_text);
	is_int(strlen(manager_read()), strlen("STATUS=") + 511);
}

static void the_watchdog_is_fed_at_half_its_time(void)
{
	char pid[32];

	setenv("WATCHDOG_USEC", "30000000", 1);
	is_int(notify_watchdog_ms(), 15000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	is_int(notify_watchdog_ms(), 15000);
	setenv("WATCHDOG_PID", "1", 1);
	is_int(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "nonsense", 1);
	is_int(notify_watchdog_ms(), 0);
	notify_watchdog();
	is_text(manager_read(), "WATCHDOG=1");
}

static void who_takes_the_place_is_named(void)
{
	notify_main_pid(4711);
	is_text(manager_read(), "MAINPID=4711");
}

static void a_descriptor_is_kept_by_name_and_forgotten(void)
{
	char text[256] = "", control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *cmsg;
	int fd = -1;

	notify_store_fd(STDIN_FILENO, "web");
	is_true(recvmsg(manager, &message, 0) > 0);
	is_text(text, "FDSTORE=1\nFDNAME=web");
	cmsg = CMSG_FIRSTHDR(&message);
	is_true(cmsg && cmsg->cmsg_type == SCM_RIGHTS);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	fd_close(&fd);
	notify_forget_fd("web");
	is_text(manager_read(), "FDSTOREREMOVE=1\nFDNAME=web");
}

static void nothing_is_said_after_the_last_word(void)
{
	notify_silence();
	notify_ready("serving");
	notify_reloading();
	notify_stopping("draining");
	notify_status("x");
	notify_watchdog();
	notify_main_pid(1);
	notify_store_fd(STDIN_FILENO, "web");
	notify_forget_fd("web");
	is_text(manager_read(), "");
}

int main(void)
{
	TEST(without_a_manager_nothing_happens);
	manager_open();
	TEST(ready_comes_with_a_status);
	TEST(reloading_says_since_when);
	TEST(stopping_comes_with_a_status);
	TEST(a_status_is_one_line);
	TEST(the_watchdog_is_fed_at_half_its_time);
	TEST(who_takes_the_place_is_named);
	TEST(a_descriptor_is_kept_by_name_and_forgotten);
	TEST(nothing_is_said_after_the_last_word); /* the last */
	fd_close(&manager);
	return tap_done();
}
