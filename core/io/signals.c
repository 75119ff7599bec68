/* core/io/signals.c */
#include "core/io/signals.h"
#include "core/io/net.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signals_on_event(struct watch *watch, uint32_t events)
{
	struct signals *signals = container_of(watch, struct signals, watch);
	struct signalfd_siginfo info;

	(void)events;
	while (watch->fd >= 0 && read(watch->fd, &info, sizeof(info)) == sizeof(info))
		signals->on_signal(signals, (int)info.ssi_signo);
}

int signals_open(struct signals *signals, struct loop *loop, const int numbers[], size_t n_numbers,
		 signals_fn *on_signal)
{
	sigset_t set;
	int fd, r;

	*signals = (struct signals){ .watch.fd = -1, .loop = loop, .on_signal = on_signal };
	sigemptyset(&set);
	for (size_t i = 0; i < n_numbers; i++)
		sigaddset(&set, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &set, &signals->before);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	r = fd < 0 ? -errno : loop_add(loop, &signals->watch, fd, EPOLLIN, signals_on_event);
	if (r < 0) {
		fd_close(&fd);
		pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
	}
	return r;
}

void signals_close(struct signals *signals)
{
	int fd = signals->watch.fd;

	if (fd < 0)
		return;
	loop_remove(signals->loop, &signals->watch);
	close(fd);
	pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}
