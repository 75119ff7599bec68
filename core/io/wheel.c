/* core/io/wheel.c
 *
 * Level 0 has a slot for each of the next 64 ticks, level 1 one for each of the next 64 spans of
 * 64 ticks, and so on. A timer stands on the lowest level on which its tick and `now` are in the
 * same span of the level above: so the slot of `now` is empty on every level, and whatever is in
 * a slot is due in the future. 7 levels of 6 bits reach 139 years in milliseconds; later ticks
 * wait in `far` until `now` enters the next span of that length. */
#include "core/io/wheel.h"

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };

#define HORIZON ((UINT64_C(1) << (WHEEL_LEVELS * SLOT_BITS)) - 1)

void wheel_init(struct wheel *wheel, uint64_t now)
{
	*wheel = (struct wheel){ .now = now, .next = UINT64_MAX };
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	list_init(&wheel->overdue);
	list_init(&wheel->far);
}

/* The tick at which `far` is looked at. */
static uint64_t wheel_horizon(const struct wheel *wheel)
{
	return (wheel->now | HORIZON) + 1;
}

static void wheel_place(struct wheel *wheel, struct timer *timer)
{
	uint64_t differs = timer->tick ^ wheel->now;
	unsigned level, slot, shift;

	if (unlikely(timer->tick <= wheel->now)) {
		list_add(&wheel->overdue, &timer->link);
		return;
	}
	if (unlikely(differs > HORIZON)) {
		list_add(&wheel->far, &timer->link);
		wheel->next = MIN(wheel->next, wheel_horizon(wheel));
		return;
	}
	level = (unsigned)(63 - __builtin_clzll(differs)) / SLOT_BITS;
	shift = level * SLOT_BITS;
	slot = (unsigned)(timer->tick >> shift) & SLOT_MASK;
	list_add(&wheel->slots[level][slot], &timer->link);
	wheel->used[level] |= UINT64_C(1) << slot;
	wheel->next = MIN(wheel->next, timer->tick >> shift << shift);
}

void wheel_add(struct wheel *wheel, struct timer *timer)
{
	wheel_place(wheel, timer);
	wheel->n_timers++;
}

/* The bit of a slot that became empty stays set until wheel_advance() comes by: one look at an
 * empty list is cheaper than finding the slot here. */
void wheel_remove(struct wheel *wheel, struct timer *timer)
{
	list_remove(&timer->link);
	wheel->n_timers--;
}

/* The first used slot of a level behind that of `now`, as a tick; UINT64_MAX: none. */
static uint64_t wheel_level_next(const struct wheel *wheel, unsigned level)
{
	unsigned shift = level * SLOT_BITS;
	unsigned current = (unsigned)(wheel->now >> shift) & SLOT_MASK;
	uint64_t ahead =
		current == SLOT_MASK ? 0 : wheel->used[level] & (~UINT64_C(0) << (current + 1));
	uint64_t span = ~UINT64_C(0) << shift << SLOT_BITS;

	if (!ahead)
		return UINT64_MAX;
	return (wheel->now & span) | ((uint64_t)__builtin_ctzll(ahead) << shift);
}

/* What `next` has to be: looked for when a slot was emptied, not in each turn of a loop. */
static uint64_t wheel_find_next(const struct wheel *wheel)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t next = wheel_level_next(wheel, level);

		if (next != UINT64_MAX)
			return next;
	}
	return list_is_empty(&wheel->far) ? UINT64_MAX : wheel_horizon(wheel);
}

/* Empties a slot or `far`: what is due goes out, the rest down to lower levels (or back). */
static void wheel_empty(struct wheel *wheel, struct list *timers, struct list *due)
{
	struct list moving = LIST_INIT(moving);
	struct list *link;

	list_move_all(&moving, timers);
	while ((link = list_pop(&moving))) {
		struct timer *timer = container_of(link, struct timer, link);

		if (timer->tick <= wheel->now)
			list_add(due, &timer->link);
		else
			wheel_place(wheel, timer);
	}
}

/* Enters a tick: the slots that begin with it are emptied, the widest first. */
static void wheel_enter(struct wheel *wheel, uint64_t tick, struct list *due)
{
	wheel->now = tick;
	if ((tick & HORIZON) == 0)
		wheel_empty(wheel, &wheel->far, due);
	for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
		unsigned slot = (unsigned)(tick >> (level * SLOT_BITS)) & SLOT_MASK;

		if (!(wheel->used[level] & (UINT64_C(1) << slot)))
			continue;
		wheel->used[level] &= ~(UINT64_C(1) << slot);
		wheel_empty(wheel, &wheel->slots[level][slot], due);
	}
}

void wheel_advance(struct wheel *wheel, uint64_t now, struct list *due)
{
	list_move_all(due, &wheel->overdue);
	if (wheel->n_timers == 0)
		wheel->next = UINT64_MAX; /* `now` may go past slots that have become empty */
	while (wheel->next <= now) {
		wheel_enter(wheel, wheel->next, due);
		wheel->next = wheel_find_next(wheel);
	}
	wheel->now = MAX(wheel->now, now);
}
