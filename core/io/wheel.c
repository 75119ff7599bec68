/* core/io/wheel.c
 *
 * Level 0 has a slot for each of the next 64 ticks, level 1 one for each of the next 64 spans of 64 ticks, and so on.
 * A timer stands on the lowest level on which its tick and `now` are in the same span of the level above: so the
 * slot of `now` on any level above 0 is always empty, and whatever is in a slot is due in the future. 7 levels of 6
 * bits reach 139 years in milliseconds; later ticks wait in the last slot and are put back from there. */
#include "core/io/wheel.h"

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };

#define HORIZON ((UINT64_C(1) << (WHEEL_LEVELS * SLOT_BITS)) - 1)

void wheel_init(struct wheel *wheel, uint64_t now)
{
	*wheel = (struct wheel){ .now = now };
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

static void wheel_place(struct wheel *wheel, struct timer *timer)
{
	uint64_t tick = timer->tick > wheel->now ? timer->tick : wheel->now + 1;
	uint64_t differs;
	unsigned level, slot;

	if ((tick ^ wheel->now) > HORIZON)
		tick = wheel->now | HORIZON;
	differs = tick ^ wheel->now;
	level = differs ? (unsigned)(63 - __builtin_clzll(differs)) / SLOT_BITS : 0;
	slot = (unsigned)(tick >> (level * SLOT_BITS)) & SLOT_MASK;
	list_add(&wheel->slots[level][slot], &timer->link);
	wheel->used[level] |= UINT64_C(1) << slot;
}

void wheel_add(struct wheel *wheel, struct timer *timer)
{
	wheel_place(wheel, timer);
	wheel->n_timers++;
}

/* The bit of a slot that became empty stays set until wheel_advance() comes by: one look at an empty
 * list is cheaper than finding the slot here. */
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

uint64_t wheel_next(const struct wheel *wheel)
{
	if (wheel->n_timers == 0)
		return UINT64_MAX;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t next = wheel_level_next(wheel, level);

		if (next != UINT64_MAX)
			return next;
	}
	return wheel->now | HORIZON; /* only those beyond the horizon are left */
}

/* Empties one slot: what is due goes out, the rest down to lower levels. */
static void wheel_empty_slot(struct wheel *wheel, unsigned level, unsigned slot, struct list *due)
{
	struct list moving = LIST_INIT(moving);
	struct list *link;

	wheel->used[level] &= ~(UINT64_C(1) << slot);
	list_move_all(&moving, &wheel->slots[level][slot]);
	while ((link = list_pop(&moving))) {
		struct timer *timer = container_of(link, struct timer, link);

		if (timer->tick <= wheel->now)
			list_add(due, &timer->link);
		else
			wheel_place(wheel, timer);
	}
}

void wheel_advance(struct wheel *wheel, uint64_t now, struct list *due)
{
	while (wheel->now < now) {
		uint64_t next = wheel_next(wheel);

		if (next > now || next <= wheel->now) {
			wheel->now = now;
			break;
		}
		wheel->now = next;
		for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
			unsigned slot = (unsigned)(next >> (level * SLOT_BITS)) & SLOT_MASK;

			if (wheel->used[level] & (UINT64_C(1) << slot))
				wheel_empty_slot(wheel, level, slot, due);
		}
	}
}
