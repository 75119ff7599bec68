/* server/schema/keywords_logic.c: keywords that apply schemas to the value itself. */
#include "server/schema/keywords.h"

bool keyword_all_of(const struct keyword *keyword)
{
	return keyword_list(keyword, &schema_logic(keyword)->all);
}

bool keyword_any_of(const struct keyword *keyword)
{
	return keyword_list(keyword, &schema_logic(keyword)->any);
}

bool keyword_one_of(const struct keyword *keyword)
{
	return keyword_list(keyword, &schema_logic(keyword)->one);
}

static bool logic_read(const struct keyword *keyword, struct schema **ret)
{
	*ret = keyword_schema(keyword, keyword->value);
	return *ret != NULL;
}

bool keyword_not(const struct keyword *keyword)
{
	return logic_read(keyword, &schema_logic(keyword)->no);
}

bool keyword_if(const struct keyword *keyword)
{
	return logic_read(keyword, &schema_logic(keyword)->when);
}

/* Without an "if" these say nothing (§10.2.2): that is hardly meant. */
static void logic_check_if(const struct keyword *keyword)
{
	struct value unused;

	if (!value_member(*keyword->schema->source, STR("if"), &unused))
		keyword_warning(keyword, "\"%.*s\" says nothing without \"if\"; add that",
				STR_ARG(keyword->key));
}

bool keyword_then(const struct keyword *keyword)
{
	logic_check_if(keyword);
	return logic_read(keyword, &schema_logic(keyword)->then);
}

bool keyword_else(const struct keyword *keyword)
{
	logic_check_if(keyword);
	return logic_read(keyword, &schema_logic(keyword)->otherwise);
}
