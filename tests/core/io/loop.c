/* tests/core/io/loop.c: descriptors, the ready list, posts, and what other threads give. */
#include "core/io/loop.h"
#include "core/base/clock.h"
#include "tests/lib/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static unsigned n_calls;

static void turn(void)
{
	loop_run_once(loop, false);
}

static void pair_open(int ret_fds[2])
{
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds) == 0);
}

static void setup(void)
{
	check(loop_create(&loop) == 0);
	n_calls = 0;
}

/* ------------------------------------------------------------ descriptors */

static uint32_t last_events;

static void count_event(struct watch *watch, uint32_t events)
{
	(void)watch;
	n_calls++;
	last_events = events;
}

static void a_watch_hears_of_what_it_asked_for(void)
{
	struct watch watch;
	int fds[2];

	setup();
	pair_open(fds);
	is_int(loop_add(loop, &watch, fds[0], EPOLLIN, count_event), 0);
	is_true(loop_is_watched(loop, fds[0], &watch));
	is_false(loop_is_watched(loop, fds[1], &watch));
	is_false(loop_is_watched(loop, 100000, &watch));
	turn();
	is_int(n_calls, 0);
	check(write(fds[1], "x", 1) == 1);
	turn();
	turn(); /* level-triggered: again */
	is_int(n_calls, 2);
	is_int(last_events, EPOLLIN);
	is_int(loop_change(loop, &watch, EPOLLOUT), 0);
	turn();
	is_int(last_events, EPOLLOUT);
	loop_remove(loop, &watch);
	loop_remove(loop, &watch); /* twice is harmless */
	is_int(watch.fd, -1);
	is_false(loop_is_watched(loop, fds[0], &watch));
	turn();
	is_int(n_calls, 3);
	close(fds[0]);
	is_int(loop_add(loop, &watch, fds[0], EPOLLIN, count_event), -EBADF);
	is_int(watch.fd, -1);
	close(fds[1]);
	loop_destroy(loop);
}

/* Two descriptors have events in one turn; whoever hears first takes the other away. */
struct rival {
	struct watch watch;
	struct rival *other;
	bool reuse; /* puts another descriptor with the same number in its place */
};

static void rival_on_event(struct watch *watch, uint32_t events)
{
	struct rival *rival = container_of(watch, struct rival, watch), *other = rival->other;
	int fd = other->watch.fd, fds[2];

	(void)events;
	n_calls++;
	loop_remove(loop, watch); /* so that it is heard only once */
	loop_remove(loop, &other->watch);
	if (!rival->reuse)
		return;
	pair_open(fds);
	check(dup2(fds[0], fd) == fd);
	close(fds[0]);
	close(fds[1]); /* so that an event comes for the new one too, but not in this turn */
	check(loop_add(loop, &other->watch, fd, EPOLLIN, count_event) == 0);
}

static void run_rivals(bool reuse)
{
	struct rival rivals[2];
	int fds[2][2];

	setup();
	for (unsigned i = 0; i < 2; i++) {
		rivals[i].other = &rivals[!i];
		rivals[i].reuse = reuse;
		pair_open(fds[i]);
		check(write(fds[i][1], "x", 1) == 1);
		check(loop_add(loop, &rivals[i].watch, fds[i][0], EPOLLIN, rival_on_event) == 0);
	}
	turn();
	is_int(n_calls, 1);
	turn();
	is_int(n_calls, reuse ? 2 : 1);
	loop_destroy(loop);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i / 2][i % 2]);
}

static void a_descriptor_that_was_removed_gets_no_event_of_the_same_turn(void)
{
	run_rivals(false);
}

static void a_descriptor_that_was_reused_gets_no_event_of_the_same_turn(void)
{
	run_rivals(true);
}

/* ------------------------------------------------------------ the ready list */

struct step {
	struct ready ready;
	unsigned order;
	struct step *next; /* made ready by this one */
};

static void step_run(struct ready *ready)
{
	struct step *step = container_of(ready, struct step, ready);

	step->order = n_calls++;
	if (step->next)
		loop_ready(loop, &step->next->ready);
}

static void what_is_ready_runs_in_order_and_once(void)
{
	struct step steps[5] = { 0 };

	setup();
	for (unsigned i = 0; i < 5; i++)
		ready_init(&steps[i].ready, step_run);
	steps[0].next = &steps[4];
	for (unsigned i = 0; i < 4; i++)
		loop_ready(loop, &steps[i].ready);
	loop_ready(loop, &steps[1].ready); /* waits already */
	loop_ready_cancel(&steps[2].ready);
	loop_ready_cancel(&steps[2].ready);
	is_int(n_calls, 0);
	turn();
	is_int(n_calls, 4);
	is_int(steps[0].order, 0);
	is_int(steps[1].order, 1);
	is_int(steps[3].order, 2);
	is_int(steps[4].order, 3);
	loop_destroy(loop);
}

static void stop_on_fire(struct timer *timer)
{
	loop_stop(timer->loop);
}

static void what_is_always_ready_does_not_keep_timers_and_sockets_away(void)
{
	struct step step = { 0 };
	struct timer timer;
	struct watch watch;
	int fds[2];

	setup();
	ready_init(&step.ready, step_run);
	step.next = &step;
	loop_ready(loop, &step.ready);
	pair_open(fds);
	last_events = 0;
	check(loop_add(loop, &watch, fds[0], EPOLLOUT, count_event) == 0);
	timer_init(&timer, loop, stop_on_fire);
	timer_start(&timer, 5);
	loop_run(loop);
	is_int(last_events, EPOLLOUT);
	is_true(n_calls > 1000);
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
}

/* ------------------------------------------------------------ posts */

enum { N_SENDERS = 4, N_POSTS = 20000 };

struct letter {
	struct post post;
	unsigned sender, number;
};

static unsigned next_number[N_SENDERS];
static unsigned n_disorder, n_elsewhere, n_letters;

static void letter_on_run(struct post *post)
{
	struct letter *letter = container_of(post, struct letter, post);

	n_disorder += letter->number != next_number[letter->sender]++;
	n_elsewhere += !loop_is_current(loop);
	free(letter);
	if (++n_letters == N_SENDERS * N_POSTS)
		loop_stop(loop);
}

static void *send_letters(void *arg)
{
	for (unsigned i = 0; i < N_POSTS; i++) {
		struct letter *letter = malloc(sizeof(*letter));

		check(letter);
		*letter = (struct letter){ { NULL, letter_on_run }, (unsigned)(uintptr_t)arg, i };
		loop_post(loop, &letter->post);
		if (i % 1000 == 0)
			usleep(500); /* lets the loop fall asleep */
	}
	return NULL;
}

static void posts_of_many_threads_arrive_all_and_in_order(void)
{
	pthread_t threads[N_SENDERS];

	setup();
	for (uintptr_t i = 0; i < N_SENDERS; i++)
		check(pthread_create(&threads[i], NULL, send_letters, (void *)i) == 0);
	loop_run(loop);
	for (unsigned i = 0; i < N_SENDERS; i++)
		pthread_join(threads[i], NULL);
	is_int(n_letters, N_SENDERS * N_POSTS);
	is_int(n_disorder, 0);
	is_int(n_elsewhere, 0);
	is_null(loop_current());
	loop_destroy(loop);
}

/* The count of the only eventfd of this process: what was written and not read yet. */
static int wake_count(void)
{
	char path[64], text[256];
	int count = -1;

	for (int fd = 0; fd < 64 && count < 0; fd++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		file = fopen(path, "r");
		while (file && fgets(text, sizeof(text), file))
			sscanf(text, "eventfd-count: %x", (unsigned *)&count);
		if (file)
			fclose(file);
	}
	return count;
}

static void count_post(struct post *post)
{
	(void)post;
	n_calls++;
}

static void a_loop_that_does_not_sleep_is_not_woken(void)
{
	struct post posts[100];

	setup();
	turn();
	for (unsigned i = 0; i < 100; i++) {
		posts[i].run = count_post;
		loop_post(loop, &posts[i]);
	}
	is_int(wake_count(), 0);
	turn();
	is_int(n_calls, 100);
	loop_stop(loop);
	is_int(wake_count(), 0);
	loop_destroy(loop);
}

struct relay {
	struct post post;
	struct loop *to;
	struct relay *back;
};

static void relay_on_run(struct post *post)
{
	struct relay *relay = container_of(post, struct relay, post);

	if (++n_calls == 2000)
		loop_stop(loop);
	else
		loop_post(relay->to, &relay->back->post);
}

static void *run_loop(void *other)
{
	loop_run(other);
	return NULL;
}

/* Each sleeps when the other sends: a wake-up that is lost would end this in a standstill. */
static void two_loops_wake_each_other(void)
{
	struct relay there = { .post.run = relay_on_run }, back = there;
	struct loop *other;
	pthread_t thread;

	setup();
	check(loop_create(&other) == 0);
	there.to = loop;
	there.back = &back;
	back.to = other;
	back.back = &there;
	check(pthread_create(&thread, NULL, run_loop, other) == 0);
	loop_post(other, &there.post);
	loop_run(loop);
	is_int(n_calls, 2000);
	loop_stop(other);
	pthread_join(thread, NULL);
	loop_destroy(other);
	loop_destroy(loop);
}

static void stop_before_run_is_not_lost(void)
{
	setup();
	loop_stop(loop);
	loop_run(loop);
	is_true(true);
	loop_destroy(loop);
	loop_destroy(NULL);
}

/* ------------------------------------------------------------ descriptors that are given */

enum { N_GIVEN = 50 };

static struct watch given[N_GIVEN];
static unsigned n_arrived, n_read;

static void given_on_event(struct watch *watch, uint32_t events)
{
	char c;

	if (!(events & EPOLLIN) || read(watch->fd, &c, 1) != 1)
		return;
	n_elsewhere += c != 'x';
	if (++n_read == N_GIVEN)
		loop_stop(loop_current());
}

static void on_arrival(struct loop *to, int fd, uint32_t tag, uint32_t events)
{
	n_elsewhere += !loop_is_current(to) || !(events & EPOLLOUT);
	n_arrived++;
	check(tag >= 1 && tag <= N_GIVEN);
	loop_adopt(to, &given[tag - 1], fd, given_on_event);
	check(send(fd, "y", 1, 0) == 1); /* tells the giver */
}

static void a_descriptor_can_be_given_to_the_loop_of_another_thread(void)
{
	int fds[N_GIVEN][2];
	struct loop *other;
	pthread_t thread;

	n_elsewhere = 0;
	check(loop_create(&other) == 0);
	loop_on_arrival(other, on_arrival);
	check(pthread_create(&thread, NULL, run_loop, other) == 0);
	for (unsigned i = 0; i < N_GIVEN; i++) {
		char c;

		check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]) == 0);
		is_int(loop_give(other, fds[i][0], i + 1, EPOLLIN | EPOLLOUT | EPOLLET), 0);
		check(read(fds[i][1], &c, 1) == 1);
		check(write(fds[i][1], "x", 1) == 1);
	}
	pthread_join(thread, NULL);
	is_int(n_arrived, N_GIVEN);
	is_int(n_read, N_GIVEN);
	is_int(n_elsewhere, 0);
	is_int(loop_give(other, -1, 1, EPOLLIN), -EBADF);
	loop_destroy(other);
	for (unsigned i = 0; i < 2 * N_GIVEN; i++)
		close(fds[i / 2][i % 2]);
}

static void dawdle(struct ready *ready)
{
	(void)ready;
	usleep(20000);
}

static void a_loop_knows_how_long_its_turns_take(void)
{
	struct loop_stats stats;
	struct ready ready;

	setup();
	turn();
	ready_init(&ready, dawdle);
	loop_ready(loop, &ready);
	turn();
	loop_stats(loop, &stats);
	is_int(stats.turns, 2);
	is_true(stats.lag_max_ns >= 20 * NS_PER_MS);
	is_true(stats.busy_ns >= 20 * NS_PER_MS);
	loop_stats(loop, &stats);
	is_int(stats.lag_max_ns, 0);
	loop_set_user(loop, &stats);
	is_ptr(loop_user(loop), (void *)&stats);
	loop_destroy(loop);
}

int main(void)
{
	TEST(a_watch_hears_of_what_it_asked_for);
	TEST(a_descriptor_that_was_removed_gets_no_event_of_the_same_turn);
	TEST(a_descriptor_that_was_reused_gets_no_event_of_the_same_turn);
	TEST(what_is_ready_runs_in_order_and_once);
	TEST(what_is_always_ready_does_not_keep_timers_and_sockets_away);
	TEST(posts_of_many_threads_arrive_all_and_in_order);
	TEST(a_loop_that_does_not_sleep_is_not_woken);
	TEST(two_loops_wake_each_other);
	TEST(stop_before_run_is_not_lost);
	TEST(a_descriptor_can_be_given_to_the_loop_of_another_thread);
	TEST(a_loop_knows_how_long_its_turns_take);
	return tap_done();
}
