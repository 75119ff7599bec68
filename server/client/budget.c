/* server/client/budget.c */
#include "server/client/budget.h"
#include "core/base/check.h"
#include "core/base/clock.h"

enum { TRY = 1000, FIRST = 10 * TRY, MOST = 100 * TRY };

void budget_init(struct budget *budget, uint64_t now_ns)
{
	atomic_init(&budget->left, FIRST);
	atomic_init(&budget->refilled_ns, now_ns);
}

static void budget_add(struct budget *budget, int64_t more)
{
	int64_t left = atomic_load_explicit(&budget->left, memory_order_relaxed);

	while (left < MOST && !atomic_compare_exchange_weak_explicit(
				      &budget->left, &left, MIN(left + more, (int64_t)MOST),
				      memory_order_relaxed, memory_order_relaxed))
		;
}

void budget_earn(struct budget *budget, uint32_t percent)
{
	budget_add(budget, (int64_t)percent * TRY / 100);
}

static void budget_refill(struct budget *budget, uint64_t now_ns)
{
	uint64_t since_ns = atomic_load_explicit(&budget->refilled_ns, memory_order_relaxed);

	if (now_ns >= since_ns + NS_PER_S &&
	    atomic_compare_exchange_strong_explicit(&budget->refilled_ns, &since_ns, now_ns,
						    memory_order_relaxed, memory_order_relaxed))
		budget_add(budget, TRY);
}

bool budget_spend(struct budget *budget, uint64_t now_ns)
{
	int64_t left;

	budget_refill(budget, now_ns);
	left = atomic_load_explicit(&budget->left, memory_order_relaxed);
	while (left >= TRY)
		if (atomic_compare_exchange_weak_explicit(&budget->left, &left, left - TRY,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}
