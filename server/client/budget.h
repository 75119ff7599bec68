/* server/client/budget.h: what may be spent on trying again: a share of what was asked for, so that
 * a server in trouble does not get several times its load. Knows no protocol. Any thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A try costs 1000. Each call brings 10 times the share in per cent; and there is at least one a second
 * for those who seldom call. */
struct budget {
	_Atomic int64_t left;
	_Atomic uint64_t refilled_ns;
};

void budget_init(struct budget *budget, uint64_t now_ns);
void budget_earn(struct budget *budget, uint32_t percent); /* a call */

/* One more try; false: there is nothing left for it. */
bool budget_spend(struct budget *budget, uint64_t now_ns);
