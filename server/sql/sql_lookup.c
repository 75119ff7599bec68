/* server/sql/sql_lookup.c */
#include "server/sql/sql_lookup.h"
#include "core/io/names.h"
#include <errno.h>

enum { LOOKUP_LOOK_MS = 20 }; /* at whether the job is over */

struct lookup_call {
	struct lookup lookup;
	struct timer timer;
	bool done;
};

static void lookup_on_done(struct lookup *lookup)
{
	container_of(lookup, struct lookup_call, lookup)->done = true;
}

static void lookup_on_timer(struct timer *timer)
{
	timer_start(timer, LOOKUP_LOOK_MS);
}

static bool lookup_run(struct loop *loop, struct names *names, struct str host, uint16_t port,
		       struct sql_job *job, struct net_addr *ret_addr)
{
	struct lookup_call call = { 0 };

	timer_init(&call.timer, loop, lookup_on_timer);
	timer_start(&call.timer, LOOKUP_LOOK_MS);
	lookup_start(&call.lookup, names, host, port, lookup_on_done);
	while (!call.done && !sql_job_is_over(job))
		loop_run_once(loop, true);
	timer_stop(&call.timer);
	lookup_cancel(&call.lookup);
	if (call.done && call.lookup.error == 0 && call.lookup.n_addrs > 0) {
		*ret_addr = call.lookup.addrs[0];
		return true;
	}
	sql_job_fail(job, ERROR_DNS_FAILED, NULL,
		     call.lookup.error == -ENOENT ? "the host of the database has no address"
						  : "the host of the database cannot be looked up");
	return false;
}

bool sql_lookup(struct str host, uint16_t port, struct sql_job *job, struct net_addr *ret_addr)
{
	struct loop *loop = NULL;
	struct names *names = NULL;
	bool ok = false;
	int r;

	if (net_addr_from_host(host, port, ret_addr) == 0)
		return true;
	r = loop_create(&loop);
	if (r == 0)
		r = names_create(&names, loop);
	if (r == 0)
		ok = lookup_run(loop, names, host, port, job, ret_addr);
	else
		sql_job_fail(job, ERROR_DNS_FAILED, NULL, "no resolver: %s", strerrorname_np(-r));
	names_destroy(names);
	loop_destroy(loop);
	return ok;
}
