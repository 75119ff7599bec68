/* server/notify.c: libsystemd reads NOTIFY_SOCKET and WATCHDOG_USEC. */
#include "server/notify.h"
#include "core/base/clock.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { STATUS_MAX = 512 };

static bool silent;

/* One line: a newline would begin another assignment. */
static void notify_clean(char *status)
{
	for (; *status; status++)
		if ((unsigned char)*status < 0x20)
			*status = ' ';
}

/* `state` is constant: assignments that end in a newline. No status: the one that was told
 * stays. */
static void notify_send(const char *state, const char *status)
{
	char text[STATUS_MAX];

	if (silent)
		return;
	if (!status) {
		(void)sd_notify(0, state);
		return;
	}
	snprintf(text, sizeof(text), "%s", status);
	notify_clean(text);
	(void)sd_notifyf(0, "%sSTATUS=%s", state, text); /* nobody to tell that nobody listens */
}

void notify_ready(const char *status)
{
	notify_send("READY=1\n", status);
}

void notify_reloading(void)
{
	struct timespec now;

	if (silent)
		return;
	/* systemd compares it with its own clock: not one that tests replace */
	clock_gettime(CLOCK_MONOTONIC, &now);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
			 (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void notify_stopping(const char *status)
{
	notify_send("STOPPING=1\n", status);
}

void notify_status(const char *format, ...)
{
	char text[STATUS_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	notify_send("", text);
}

void notify_watchdog(void)
{
	if (!silent)
		(void)sd_notify(0, "WATCHDOG=1");
}

void notify_main_pid(int pid)
{
	if (!silent)
		(void)sd_notifyf(0, "MAINPID=%d", pid);
}

void notify_silence(void)
{
	silent = true;
}

void notify_store_fd(int fd, const char *name)
{
	char state[STATUS_MAX];

	if (silent)
		return;
	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
	(void)sd_pid_notify_with_fds(0, 0, state, &fd, 1);
}

void notify_forget_fd(const char *name)
{
	if (!silent)
		(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

uint64_t notify_watchdog_ms(void)
{
	uint64_t period_us;

	return sd_watchdog_enabled(0, &period_us) > 0 ? period_us / 2000 : 0;
}
