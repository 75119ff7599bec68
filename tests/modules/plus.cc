/* tests/modules/plus.cc: a module in C++11. */
#include <leat.h>
#include <string>
#include <vector>

static void reverse(struct leat_call *call)
{
	const struct leat_value *input = leat->input(call);
	std::vector<double> numbers(leat->len(input));

	if (!leat->numbers(input, numbers.data(), numbers.size())) {
		leat->fail(call, "invalid_input", 0, "no list of numbers");
		return;
	}
	const std::vector<double> turned(numbers.rbegin(), numbers.rend());
	leat->json_numbers(leat->result(call), turned.data(), turned.size());
}

static void shout(struct leat_call *call)
{
	const struct leat_text text = leat->text(leat->input(call));
	const std::string loud = std::string(text.ptr, text.len) + "!";

	leat->json_text(leat->result(call), loud.data(), loud.size());
}

static const struct leat_function functions[] = {
	{ "reverse", "A list of numbers, the other way round.", reverse, LEAT_IDEMPOTENT },
	LEAT_END,
};

static const struct leat_verb verbs[] = {
	{ "plus", "A text, louder.", nullptr, nullptr, shout, 0, nullptr,
	  LEAT_IDEMPOTENT },
	LEAT_END,
};

LEAT_MODULE("plus", functions, verbs, nullptr, nullptr);
