/* server/sql/sql_lookup.h: the address of a host, for threads that may block (c-ares, on a loop of
 * the call's own). */
#pragma once
#include "core/io/net.h"
#include "server/sql/sql_job.h"

/* True; false: the job has failed, or is over. */
bool sql_lookup(struct str host, uint16_t port, struct sql_job *job, struct net_addr *ret_addr);
