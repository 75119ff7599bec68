/* server/flow/context.c */
#include "server/flow/context.h"
#include "server/body_source.h"

void context_leave_open(struct context *context, struct body_source *source)
{
	source->next = context->open;
	context->open = source;
}

void context_take(struct context *context, struct body_source *source)
{
	struct body_source **at = &context->open;

	while (*at != source) {
		check(*at);
		at = &(*at)->next;
	}
	*at = source->next;
	source->next = NULL;
}

void context_close(struct context *context)
{
	while (context->open) {
		struct body_source *source = context->open;

		context->open = source->next;
		body_source_close(source);
	}
}
