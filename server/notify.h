/* server/notify.h: what systemd is told (sd_notify(3)); without NOTIFY_SOCKET nothing happens.
 * Main thread. */
#pragma once
#include <stdint.h>

void notify_ready(const char *status); /* NULL: the status stays as it is */
void notify_reloading(void);           /* with MONOTONIC_USEC */
void notify_stopping(const char *status);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notify_watchdog(void);
uint64_t notify_watchdog_ms(void); /* how often to feed it: half of WATCHDOG_USEC; 0: never */
