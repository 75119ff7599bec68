/* server/notify.h: what systemd is told (sd_notify(3)); without NOTIFY_SOCKET nothing happens.
 * Main thread. */
#pragma once
#include <stdint.h>

void notify_ready(const char *status); /* NULL: the status stays as it is */
void notify_reloading(void);           /* with MONOTONIC_USEC */
void notify_stopping(const char *status);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notify_watchdog(void);

/* Another process takes this one's place. Silent from then on: systemd listens to the main process only. */
void notify_main_pid(int pid);
void notify_silence(void);

/* systemd keeps the descriptor, under that name, and passes it again when the service is started again after
 * a crash, or by `systemctl restart` (FileDescriptorStoreMax=). The same one twice is kept once. */
void notify_store_fd(int fd, const char *name);
void notify_forget_fd(const char *name);
uint64_t notify_watchdog_ms(void); /* how often to feed it: half of WATCHDOG_USEC; 0: never */
