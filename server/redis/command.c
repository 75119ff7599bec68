/* server/redis/command.c */
#include "server/redis/command.h"
#include "core/base/check.h"

#define READS COMMAND_READS
#define HAS_SUB COMMAND_HAS_SUB
#define PAIRS COMMAND_PAIRS
#define KEYS_AT COMMAND_KEYS_AT
#define KEYS_COUNTED COMMAND_KEYS_COUNTED
#define KEYS_STORED COMMAND_KEYS_STORED
#define KEYS_STREAMS COMMAND_KEYS_STREAMS

#define STREAMS "it turns the connection, which other tasks share, into a stream of messages"
#define BLOCKS                                                                                     \
	"it makes everybody wait who shares the connection; write the command that does not wait " \
	"(LPOP, LMOVE, ZPOPMIN, …), with `repeat` to ask again"
#define SELECTS                                                                                    \
	"it changes the connection, which other tasks share; write `db` in an entry of its own "   \
	"in "                                                                                      \
	"the section redis"
#define LOGS_IN                                                                                    \
	"it changes the connection, which other tasks share; write `user` and `password` in the "  \
	"section redis"
#define MULTI                                                                                      \
	"other tasks share the connection, and their commands would come between; write "          \
	"`commands` with `transaction: true`, or a `script`"
#define STATE "it changes the connection, which other tasks share; remove it"
#define STOPS "it stops the server, or the connection that other tasks share; remove it"

/* By name. Of Redis 7.0; those of other versions and of modules are taken as they are, and as
 * commands that write. */
static const struct command commands[] = {
	/* clang-format off */
	{ "acl", .flags = HAS_SUB },
	{ "append", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "asking", .refused = STATE },
	{ "auth", .refused = LOGS_IN },
	{ "bgrewriteaof" },
	{ "bgsave" },
	{ "bitcount", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "bitfield", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "bitfield_ro", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "bitop", .keys = KEYS_AT, .first = 2, .last = -1, .step = 1 },
	{ "bitpos", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "blmove", .refused = BLOCKS },
	{ "blmpop", .refused = BLOCKS },
	{ "blpop", .refused = BLOCKS },
	{ "brpop", .refused = BLOCKS },
	{ "brpoplpush", .refused = BLOCKS },
	{ "bzmpop", .refused = BLOCKS },
	{ "bzpopmax", .refused = BLOCKS },
	{ "bzpopmin", .refused = BLOCKS },
	{ "client", .flags = HAS_SUB },
	{ "cluster", .flags = HAS_SUB },
	{ "command", .flags = HAS_SUB },
	{ "config", .flags = HAS_SUB },
	{ "copy", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "dbsize", .flags = READS },
	{ "debug", .refused = STOPS },
	{ "decr", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "decrby", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "del", .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "discard", .refused = MULTI },
	{ "dump", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "echo", .flags = READS },
	{ "eval", .keys = KEYS_COUNTED, .first = 2, .code = 1 },
	{ "eval_ro", .flags = READS, .keys = KEYS_COUNTED, .first = 2, .code = 1 },
	{ "evalsha", .keys = KEYS_COUNTED, .first = 2 },
	{ "evalsha_ro", .flags = READS, .keys = KEYS_COUNTED, .first = 2 },
	{ "exec", .refused = MULTI },
	{ "exists", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "expire", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "expireat", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "expiretime", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "failover" },
	{ "fcall", .keys = KEYS_COUNTED, .first = 2 },
	{ "fcall_ro", .flags = READS, .keys = KEYS_COUNTED, .first = 2 },
	{ "flushall" },
	{ "flushdb" },
	{ "function", .flags = HAS_SUB, .code = 2 },
	{ "geoadd", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "geodist", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "geohash", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "geopos", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "georadius", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "georadius_ro", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "georadiusbymember", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "georadiusbymember_ro", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "geosearch", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "geosearchstore", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "get", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "getbit", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "getdel", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "getex", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "getrange", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "getset", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hdel", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hello", .refused = LOGS_IN },
	{ "hexists", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hget", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hgetall", .flags = READS | PAIRS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hincrby", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hincrbyfloat", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hkeys", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hlen", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hmget", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hmset", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hrandfield", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hscan", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hset", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hsetnx", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hstrlen", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "hvals", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "incr", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "incrby", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "incrbyfloat", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "info", .flags = READS },
	{ "keys", .flags = READS },
	{ "lastsave", .flags = READS },
	{ "latency", .flags = HAS_SUB },
	{ "lcs", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "lindex", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "linsert", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "llen", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lmove", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "lmpop", .keys = KEYS_COUNTED, .first = 1 },
	{ "lolwut", .flags = READS },
	{ "lpop", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lpos", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lpush", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lpushx", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lrange", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lrem", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "lset", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "ltrim", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "memory", .flags = HAS_SUB },
	{ "mget", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "migrate", .keys = KEYS_AT, .first = 3, .last = 3, .step = 1 },
	{ "module", .flags = HAS_SUB },
	{ "monitor", .refused = STREAMS },
	{ "move", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "mset", .keys = KEYS_AT, .first = 1, .last = -1, .step = 2 },
	{ "msetnx", .keys = KEYS_AT, .first = 1, .last = -1, .step = 2 },
	{ "multi", .refused = MULTI },
	{ "object", .flags = HAS_SUB, .keys = KEYS_AT, .first = 2, .last = 2, .step = 1 },
	{ "persist", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "pexpire", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "pexpireat", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "pexpiretime", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "pfadd", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "pfcount", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "pfdebug", .refused = STOPS },
	{ "pfmerge", .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "pfselftest", .refused = STOPS },
	{ "ping", .flags = READS },
	{ "psetex", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "psubscribe", .refused = STREAMS },
	{ "psync", .refused = STREAMS },
	{ "pttl", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "publish" },
	{ "pubsub", .flags = READS | HAS_SUB },
	{ "punsubscribe", .refused = STREAMS },
	{ "quit", .refused = STATE },
	{ "randomkey", .flags = READS },
	{ "readonly", .refused = STATE },
	{ "readwrite", .refused = STATE },
	{ "rename", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "renamenx", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "replconf", .refused = STREAMS },
	{ "replicaof" },
	{ "reset", .refused = STATE },
	{ "restore", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "role", .flags = READS },
	{ "rpop", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "rpoplpush", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "rpush", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "rpushx", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "sadd", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "save" },
	{ "scan", .flags = READS },
	{ "scard", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "script", .flags = HAS_SUB, .code = 2 },
	{ "sdiff", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "sdiffstore", .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "select", .refused = SELECTS },
	{ "set", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "setbit", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "setex", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "setnx", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "setrange", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "shutdown", .refused = STOPS },
	{ "sinter", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "sintercard", .flags = READS, .keys = KEYS_COUNTED, .first = 1 },
	{ "sinterstore", .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "sismember", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "slaveof" },
	{ "slowlog", .flags = HAS_SUB },
	{ "smembers", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "smismember", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "smove", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "sort", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "sort_ro", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "spop", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "spublish", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "srandmember", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "srem", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "sscan", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "ssubscribe", .refused = STREAMS },
	{ "strlen", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "subscribe", .refused = STREAMS },
	{ "substr", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "sunion", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "sunionstore", .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "sunsubscribe", .refused = STREAMS },
	{ "swapdb" },
	{ "sync", .refused = STREAMS },
	{ "time", .flags = READS },
	{ "touch", .flags = READS, .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "ttl", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "type", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "unlink", .keys = KEYS_AT, .first = 1, .last = -1, .step = 1 },
	{ "unsubscribe", .refused = STREAMS },
	{ "unwatch", .refused = MULTI },
	{ "wait", .refused = BLOCKS },
	{ "waitaof", .refused = BLOCKS },
	{ "watch", .refused = MULTI },
	{ "xack", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xadd", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xautoclaim", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xclaim", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xdel", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xgroup", .flags = HAS_SUB, .keys = KEYS_AT, .first = 2, .last = 2, .step = 1 },
	{ "xinfo", .flags = HAS_SUB, .keys = KEYS_AT, .first = 2, .last = 2, .step = 1 },
	{ "xlen", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xpending", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xrange", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xread", .flags = READS | COMMAND_OPTIONS, .keys = KEYS_STREAMS },
	{ "xreadgroup", .flags = COMMAND_OPTIONS, .keys = KEYS_STREAMS },
	{ "xrevrange", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xsetid", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "xtrim", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zadd", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zcard", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zcount", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zdiff", .flags = READS, .keys = KEYS_COUNTED, .first = 1 },
	{ "zdiffstore", .keys = KEYS_STORED, .first = 2 },
	{ "zincrby", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zinter", .flags = READS, .keys = KEYS_COUNTED, .first = 1 },
	{ "zintercard", .flags = READS, .keys = KEYS_COUNTED, .first = 1 },
	{ "zinterstore", .keys = KEYS_STORED, .first = 2 },
	{ "zlexcount", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zmpop", .keys = KEYS_COUNTED, .first = 1 },
	{ "zmscore", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zpopmax", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zpopmin", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrandmember", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrange", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrangebylex", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrangebyscore", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrangestore", .keys = KEYS_AT, .first = 1, .last = 2, .step = 1 },
	{ "zrank", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrem", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zremrangebylex", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zremrangebyrank", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zremrangebyscore", .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrevrange", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrevrangebylex", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrevrangebyscore", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zrevrank", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zscan", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zscore", .flags = READS, .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 },
	{ "zunion", .flags = READS, .keys = KEYS_COUNTED, .first = 1 },
	{ "zunionstore", .keys = KEYS_STORED, .first = 2 }, /* clang-format on */
};

struct command_sub {
	const char *command, *sub, *why;
};

static const struct command_sub refused_subs[] = {
	{ "client", "reply", STATE },    { "client", "tracking", STATE },
	{ "client", "caching", STATE },  { "client", "no-evict", STATE },
	{ "client", "no-touch", STATE }, { "script", "debug", STATE },
};

const struct command *command_find(struct str name)
{
	size_t from = 0, to = ARRAY_LEN(commands);
	char lower[32];

	if (name.len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = char_lower(name.ptr[i]);
	while (from < to) {
		size_t middle = (from + to) / 2;
		int order = str_cmp((struct str){ lower, name.len }, str_of(commands[middle].name));

		if (order == 0)
			return &commands[middle];
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}

const char *command_refuse_sub(const struct command *command, struct str sub)
{
	for (size_t i = 0; i < ARRAY_LEN(refused_subs); i++)
		if (str_eq(str_of(refused_subs[i].command), str_of(command->name)) &&
		    str_eq_nocase(str_of(refused_subs[i].sub), sub))
			return refused_subs[i].why;
	return NULL;
}

/* ------------------------------------------------------------ keys */

static size_t keys_at(const struct command *command, size_t n_args, command_key_fn *on_key,
		      void *user)
{
	size_t last = command->last < 0 ? n_args - (size_t)-command->last : (size_t)command->last;
	size_t n_keys = 0;

	for (size_t i = (size_t)command->first; i <= last && i < n_args;
	     i += (size_t)command->step, n_keys++)
		on_key(user, i);
	return n_keys;
}

static size_t keys_counted(size_t at, const struct str *args, size_t n_args, command_key_fn *on_key,
			   void *user)
{
	uint64_t n_keys;

	if (at >= n_args || str_to_u64(args[at], &n_keys) < 0 || n_keys > n_args - at - 1)
		return 0;
	for (size_t i = 0; i < n_keys; i++)
		on_key(user, at + 1 + i);
	return (size_t)n_keys;
}

static size_t keys_streams(const struct str *args, size_t n_args, command_key_fn *on_key,
			   void *user)
{
	size_t at = 1, n_keys;

	while (at < n_args && !str_eq_nocase(args[at], STR("streams")))
		at++;
	if (at >= n_args)
		return 0;
	n_keys = (n_args - at - 1) / 2;
	for (size_t i = 0; i < n_keys; i++)
		on_key(user, at + 1 + i);
	return n_keys;
}

size_t command_keys(const struct command *command, const struct str *args, size_t n_args,
		    command_key_fn *on_key, void *user)
{
	static const struct command unknown = { .keys = KEYS_AT, .first = 1, .last = 1, .step = 1 };

	if (!command)
		command = &unknown;
	switch ((enum command_keys)command->keys) {
	case COMMAND_NO_KEYS:
		return 0;
	case COMMAND_KEYS_AT:
		return keys_at(command, n_args, on_key, user);
	case COMMAND_KEYS_STORED:
		if (n_args < 2)
			return 0;
		on_key(user, 1);
		return 1 + keys_counted((size_t)command->first, args, n_args, on_key, user);
	case COMMAND_KEYS_COUNTED:
		return keys_counted((size_t)command->first, args, n_args, on_key, user);
	case COMMAND_KEYS_STREAMS:
		return keys_streams(args, n_args, on_key, user);
	}
	unreachable();
}

/* ------------------------------------------------------------ slots */

/* CRC-16/XMODEM, as the cluster's specification says. */
static unsigned crc16(struct str bytes)
{
	unsigned crc = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= (unsigned)(unsigned char)bytes.ptr[i] << 8;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
	}
	return crc;
}

unsigned command_slot(struct str key)
{
	ptrdiff_t open = str_find_char(key, '{');
	ptrdiff_t close = open < 0 ? -1 : str_find_char(str_skip(key, (size_t)open + 1), '}');

	if (close > 0)
		key = str_first(str_skip(key, (size_t)open + 1), (size_t)close);
	return crc16(key) % COMMAND_SLOTS;
}

struct slot_finder {
	const struct str *args;
	int slot;
};

static void slot_add(void *user, size_t arg)
{
	struct slot_finder *finder = user;
	int slot = (int)command_slot(finder->args[arg]);

	if (finder->slot == -1)
		finder->slot = slot;
	else if (finder->slot != slot)
		finder->slot = -2;
}

int command_slot_of(const struct command *command, const struct str *args, size_t n_args)
{
	struct slot_finder finder = { args, -1 };

	command_keys(command, args, n_args, slot_add, &finder);
	return finder.slot;
}
