/* tests/server/redis/command.c: where keys are, and in which slot. */
#include "server/redis/command.h"
#include "tests/lib/tap.h"

static int slot_of(const char *text)
{
	struct str args[16], rest = str_of(text);
	size_t n_args = 0;

	while (n_args < 16 && str_next_part(&rest, ' ', &args[n_args]))
		n_args++;
	return command_slot_of(command_find(args[0]), args, n_args);
}

static void slots_are_those_of_the_specification(void)
{
	is_int(command_slot(STR("123456789")), 0x31c3);
	is_int(command_slot(STR("foo")), 12182);
	is_int(command_slot(STR("{user1000}.following")), command_slot(STR("user1000")));
	is_int(command_slot(STR("foo{{bar}}zap")), command_slot(STR("{bar")));
	is_int(command_slot(STR("foo{bar}{zap}")), command_slot(STR("bar")));
	is_true(command_slot(STR("foo{}{bar}")) != command_slot(STR("bar")));
	is_int(command_slot(STR("")), 0);
}

static void keys_are_found_by_the_command(void)
{
	int a = (int)command_slot(STR("a"));

	is_int(slot_of("GET a"), a);
	is_int(slot_of("set a b"), a);
	is_int(slot_of("MGET a a"), a);
	is_int(slot_of("MGET a b"), -2);
	is_int(slot_of("MSET a b a c"), a);
	is_int(slot_of("DEL {a}1 {a}2"), a);
	is_int(slot_of("EVAL return 1 a b"), a);
	is_int(slot_of("EVAL script 0 b"), -1);
	is_int(slot_of("EVALSHA sha 2 {a}1 {a}2 x"), a);
	is_int(slot_of("ZUNIONSTORE {a}1 2 {a}2 {a}3"), a);
	is_int(slot_of("ZUNIONSTORE b 1 a"), -2);
	is_int(slot_of("XREAD COUNT 1 STREAMS a 0"), a);
	is_int(slot_of("XREADGROUP GROUP g c STREAMS {a}1 {a}2 > >"), a);
	is_int(slot_of("BITOP AND {a}1 {a}2"), a);
	is_int(slot_of("OBJECT ENCODING a"), a);
	is_int(slot_of("PING"), -1);
	is_int(slot_of("FLUSHALL"), -1);
	is_int(slot_of("JSON.GET a $"), a); /* of a module: its first argument */
}

static void a_number_that_is_none_gives_no_keys(void)
{
	is_int(slot_of("EVAL script x a"), -1);
	is_int(slot_of("EVAL script 5 a"), -1);
	is_int(slot_of("EVAL script -1 a"), -1);
	is_int(slot_of("EVAL script 18446744073709551615 a"), -1);
	is_int(slot_of("EVAL"), -1);
	is_int(slot_of("GET"), -1);
	is_int(slot_of("BITOP"), -1);
	is_int(slot_of("XREAD STREAMS"), -1);
	is_int(slot_of("ZUNIONSTORE"), -1);
}

static void commands_are_known_in_any_case(void)
{
	is_true(command_find(STR("HgEtAlL")) != NULL);
	is_null(command_find(STR("nosuch")));
	is_null(command_find(STR("")));
	is_null(command_find(STR("a_name_that_is_longer_than_that_of_any_command")));
	is_true(command_find(STR("zunionstore")) != NULL);
	is_true(command_find(STR("acl")) != NULL);
	is_true(command_find(STR("GET"))->flags & COMMAND_READS);
	is_false(command_find(STR("SET"))->flags & COMMAND_READS);
	is_false(command_find(STR("GETDEL"))->flags & COMMAND_READS);
	is_true(command_find(STR("brpop"))->refused != NULL);
	is_true(command_refuse_sub(command_find(STR("client")), STR("Reply")) != NULL);
	is_null(command_refuse_sub(command_find(STR("client")), STR("LIST")));
}

int main(void)
{
	TEST(slots_are_those_of_the_specification);
	TEST(keys_are_found_by_the_command);
	TEST(a_number_that_is_none_gives_no_keys);
	TEST(commands_are_known_in_any_case);
	return tap_done();
}
