# leat: `make run` and `make test` do everything on a fresh machine; `make help` lists the rest.

FLAVOR ?= release
CC := gcc
CXX := g++
PREFIX ?= /usr
DESTDIR ?=
VERSION := $(shell sed -n 's/^.define LEAT_VERSION "\(.*\)"/\1/p' core/base/version.h)

OUT := build/$(FLAVOR)$(if $(SHAKE),-shaken)

# ------------------------------------------------------------------ flags
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough \
	-Wswitch-enum -Wnull-dereference -Wcast-qual -Wno-missing-field-initializers
HARDENING := -fstack-protector-strong -fPIE
CPPFLAGS += -I. -D_GNU_SOURCE
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_deep := -O0 -g -fsanitize=address -fno-omit-frame-pointer
CFLAGS_cover := -O0 -g --coverage -fprofile-update=atomic
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_deep := -fsanitize=address
LDFLAGS_cover := --coverage
LDFLAGS_fuzz := -fsanitize=address,undefined
# libFuzzer is clang's, whose warnings are not the ones that are kept at zero
ifeq ($(FLAVOR),fuzz)
CC := clang
CXX := clang++
WARNINGS := -w
endif
ifneq ($(CI)$(WERROR),)
WARNINGS += -Werror
endif

PACKAGES := liburing zlib libbrotlienc libbrotlidec libzstd sqlite3 yaml-0.1 libsystemd libcares libssl libcrypto libcrypt libpcre2-8
ALL_CFLAGS = -std=gnu11 -pthread $(WARNINGS) $(HARDENING) $(CFLAGS_$(FLAVOR)) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread $(LDFLAGS_$(FLAVOR)) $(LDFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm

# llhttp: the system's library where there is one, else the sources that Debian 12 ships.
# Those hold two parsers; only strict mode refuses known request smuggling.
LLHTTP_LIBS := $(shell pkg-config --libs libllhttp 2>/dev/null)
ifeq ($(LLHTTP_LIBS),)
LLHTTP_SOURCES := /usr/share/llhttp
LLHTTP_CFLAGS := -I/usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1
LLHTTP_OBJECTS := $(OUT)/llhttp/llhttp.o $(OUT)/llhttp/api.o $(OUT)/llhttp/http.o
else
LLHTTP_CFLAGS := $(shell pkg-config --cflags libllhttp) -DLLHTTP_STRICT_MODE=1
endif
CPPFLAGS += $(subst -I,-isystem ,$(LLHTTP_CFLAGS))

# jq has no .pc file in Debian 12. `make WITH_JQ=no` leaves it out: then `jq:` is an error at load.
export WITH_JQ ?= yes
ifeq ($(WITH_JQ),no)
CPPFLAGS += -DWITH_JQ=0
else
CPPFLAGS += -DWITH_JQ=1
PKG_LIBS += -Wl,--push-state,--as-needed -ljq -Wl,--pop-state
endif
# `make WITH_GPU=no` leaves OpenCL out: then `gpu:` is an error at load.
export WITH_GPU ?= yes
ifeq ($(WITH_GPU),no)
CPPFLAGS += -DWITH_GPU=0
NOT_BUILT := $(filter-out %/gpu_set.c,$(wildcard server/gpu/*.c)) \
	server/verbs/gpu.c server/verbs/gpu_args.c server/verbs/gpu_sizes.c $(wildcard tests/server/gpu/*.c)
else
CPPFLAGS += -DWITH_GPU=1
PKG_CFLAGS += $(shell pkg-config --cflags OpenCL 2>/dev/null)
PKG_LIBS += $(shell pkg-config --libs OpenCL 2>/dev/null)
endif
# `make WITH_POSTGRES=no WITH_MYSQL=no` leaves servers of SQL out: then their URLs are errors at load.
export WITH_POSTGRES ?= yes
ifeq ($(WITH_POSTGRES),no)
CPPFLAGS += -DWITH_POSTGRES=0
NOT_BUILT += server/sql/pg_cancel.c server/sql/pg_conn.c server/sql/pg_params.c server/sql/pg_pool.c \
	server/sql/pg_run.c tests/server/sql/pg_pool.c
else
CPPFLAGS += -DWITH_POSTGRES=1 $(subst -I,-isystem ,$(shell pkg-config --cflags libpq 2>/dev/null))
PKG_LIBS += $(shell pkg-config --libs libpq 2>/dev/null)
endif
export WITH_MYSQL ?= yes
ifeq ($(WITH_MYSQL),no)
CPPFLAGS += -DWITH_MYSQL=0
NOT_BUILT += $(wildcard server/sql/maria*.c)
else
CPPFLAGS += -DWITH_MYSQL=1 $(subst -I,-isystem ,$(shell pkg-config --cflags libmariadb 2>/dev/null))
PKG_LIBS += $(shell pkg-config --libs libmariadb 2>/dev/null)
endif
# `make WITH_KAFKA=no` leaves librdkafka out: then an entry of `kafka:` is an error at load.
export WITH_KAFKA ?= yes
ifeq ($(WITH_KAFKA),no)
CPPFLAGS += -DWITH_KAFKA=0
NOT_BUILT += server/kafka/kafka_client.c server/kafka/kafka_end.c server/kafka/kafka_producer.c server/kafka/kafka_send.c \
	server/kafka/kafka_options.c server/kafka/kafka_row.c server/kafka/kafka_put.c server/kafka/kafka_outbox.c \
	server/kafka/kafka_outboxes.c server/kafka/kafka_source.c server/kafka/kafka_letter.c server/kafka/kafka_dead.c server/kafka/kafka_part.c server/verbs/kafka.c server/verbs/kafka_message.c $(wildcard tests/server/kafka/*.c)
else
CPPFLAGS += -DWITH_KAFKA=1 $(subst -I,-isystem ,$(shell pkg-config --cflags rdkafka 2>/dev/null))
PKG_LIBS += $(shell pkg-config --libs rdkafka 2>/dev/null)
TOOLS := $(patsubst %.c,$(OUT)/%,$(wildcard tests/tools/*.c))
ifeq ($(FLAVOR),tsan)
SHIM := $(OUT)/tests/tsan/c11_threads.o
endif
endif
# `make asan SHAKE=yes`, `make tsan SHAKE=yes`: threads pause at random after what they hand over (tests/shake).
ifneq ($(SHAKE),)
export SHAKE
ALL_CFLAGS += -include tests/shake/shake.h
SHIM += $(OUT)/tests/shake/shake.o
endif
# the sources that ask for one of these are compiled anew when it has changed
FEATURES := $(OUT)/features-jq-$(WITH_JQ)-gpu-$(WITH_GPU)-postgres-$(WITH_POSTGRES)-mysql-$(WITH_MYSQL)-kafka-$(WITH_KAFKA)

# ------------------------------------------------------------------ what is built
SOURCES := $(filter-out $(NOT_BUILT),$(shell find core conf server -name '*.c' -not -path 'conf/examples/*' | sort))
LIB_OBJECTS := $(patsubst %.c,$(OUT)/%.o,$(filter-out server/main.c,$(SOURCES)))
TEST_SOURCES := $(filter-out $(NOT_BUILT),$(shell find tests/core tests/conf tests/server -name '*.c' 2>/dev/null | sort))
TESTS := $(patsubst %.c,$(OUT)/%,$(TEST_SOURCES))
FUZZ_SOURCES := $(wildcard tests/fuzz/*.c)
FUZZERS := $(patsubst %.c,$(OUT)/%,$(FUZZ_SOURCES))
BENCH_SOURCES := $(wildcard tests/bench/*.c)
BENCHES := $(patsubst %.c,$(OUT)/%,$(BENCH_SOURCES))
# native modules: those that tests load, and the examples, each beside its configuration
MODULES := $(patsubst %.c,$(OUT)/%.so,$(wildcard tests/modules/*.c)) \
	$(patsubst %.cc,$(OUT)/%.so,$(wildcard tests/modules/*.cc))
EXAMPLES := $(patsubst conf/examples/%.c,$(OUT)/examples/%.so,$(wildcard conf/examples/*.c)) \
	$(patsubst conf/examples/%.c,$(OUT)/examples/%.yaml,$(wildcard conf/examples/*.c))
TEST_LIB := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/lib/*.c))
LIBRARY := $(OUT)/libleat.a
BINARY := $(OUT)/leat

.PHONY: all run test unit e2e asan tsan deep lint bench fuzz cover deb rpm boot install clean help deps format
.DELETE_ON_ERROR:
.SECONDARY:

all: build/leat

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

#: make              builds build/leat
build/leat: build/release/leat
	@ln -sf release/leat $@

#: make deps         installs what is missing to build and to test (asks for root only then)
deps:
	@scripts/deps

#: make run          installs what is missing, builds, serves conf/leat.yaml on port 8080
run:
	@scripts/deps build
	@$(MAKE) --no-print-directory $(JOBS) all
	build/leat run -c conf/leat.yaml

# As many jobs as there are CPUs, unless make was told how many.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# What builds runs in parallel, what is timed does not; and both kinds of tests run, always.
define run_tests
+@$(MAKE) --no-print-directory $(JOBS) FLAVOR=$(1) built
+@rc=0; for kind in unit e2e; do $(MAKE) --no-print-directory FLAVOR=$(1) $$kind || rc=1; done; exit $$rc
endef

#: make examples     builds the modules of conf/examples, with their configurations, in build/examples
examples: build/leat
	+@$(MAKE) --no-print-directory $(JOBS) FLAVOR=release example_files
	@ln -sfn release/examples build/examples

.PHONY: examples example_files
example_files: $(EXAMPLES)

#: make test         installs what is missing, builds, runs all tests
test:
	@scripts/deps build test
	$(call run_tests,$(FLAVOR))

.PHONY: built fuzzers flags
built: $(TESTS) $(FUZZERS) $(BINARY) $(MODULES) $(EXAMPLES) $(TOOLS)
fuzzers: $(FUZZERS)

# each fuzzer's corpus is fed to it here, too
unit: $(TESTS) $(FUZZERS) $(BINARY) $(MODULES)
	@scripts/unit-tests $(notdir $(OUT)) $(TESTS) $(FUZZERS)

e2e: $(BINARY) $(MODULES) $(EXAMPLES) $(TOOLS)
	@scripts/e2e-tests $(notdir $(OUT))

#: make asan         all tests with address and undefined-behaviour sanitizers
#: make tsan         all tests with the thread sanitizer; SHAKE=yes for either: threads pause where they hand over
asan tsan:
	@scripts/deps build test
	$(call run_tests,$@)

# the tests of depth: -O0 and ASan make every stack frame as large as it gets
deep:
	@$(MAKE) --no-print-directory $(JOBS) FLAVOR=deep unit

#: make lint         format, clang-tidy, cppcheck, floors, sizes, the unit's sandbox
lint:
	@scripts/deps build test
	@scripts/lint

#: make bench        nanoseconds a task, and requests beside nginx, as ratios
bench:
	@scripts/deps build bench
	@$(MAKE) --no-print-directory $(JOBS) all benches $(OUT)/tests/modules/picture.so
	@scripts/bench

.PHONY: benches
benches: $(BENCHES)

#: make fuzz         runs each fuzzer for SECONDS (60)
fuzz:
	@scripts/deps build test
	@scripts/fuzz $(or $(SECONDS),60)

#: make cover        prints the lines that no test reaches
cover:
	@scripts/deps build test
	@scripts/cover

#: make deb          builds the Debian packages into build/deb
deb:
	@scripts/deps build deb
	@scripts/deb "$(VERSION)"

#: make boot         the package as a service of a systemd that boots in a container; needs root
boot: $(OUT)/tests/modules/hang.so
	@scripts/deps build deb
	@[ -n "$(DEB)" ] || scripts/deb "$(VERSION)"
	@tests/boot/boot $(or $(DEB),build/deb/leat_$(VERSION)-*.deb) $(OUT)/tests/modules

#: make rpm          builds the RPM packages into build/rpm
rpm:
	@scripts/deps build rpm
	@scripts/rpm "$(VERSION)"

#: make packages     builds both twice and compares them byte by byte, installs them in a clean root (as root)
.PHONY: packages
packages:
	@scripts/deps build deb rpm packages
	@scripts/reproducible
	@tests/packages/install

#: make install      DESTDIR= PREFIX=/usr
install: build/leat
	@scripts/install "$(DESTDIR)" "$(PREFIX)" build/release/leat

# what a tool that reads C needs to know
flags:
	@echo '-std=gnu11 $(PKG_CFLAGS) $(CPPFLAGS) -Icore'

format:
	clang-format -i $(shell find core conf server tests -name '*.[ch]')

clean:
	rm -rf build

# ------------------------------------------------------------------ how
$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC $<"
	@$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/server/jq/jq_worker.o $(OUT)/server/verbs/jq_compile.o $(OUT)/tests/server/jq/jq.o \
$(OUT)/server/gpu/gpu_set.o $(OUT)/server/verbs/gpu_compile.o $(OUT)/server/main.o $(OUT)/server/admin/status.o \
$(OUT)/server/admin/metrics.o $(OUT)/server/sql/sql_drivers.o $(OUT)/server/server.o $(OUT)/server/generation.o $(OUT)/server/reload.o $(OUT)/server/admin/status_stores.o \
$(patsubst %.c,$(OUT)/%.o,$(wildcard server/kafka/*.c)) $(OUT)/server/verbs/kafka_compile.o: $(FEATURES)
$(FEATURES):
	@mkdir -p $(@D)
	@rm -f $(OUT)/features-*
	@touch $@

# .incbin: no compiler says so
$(OUT)/server/admin/page.o: server/admin/page.html

$(OUT)/llhttp/%.o: $(LLHTTP_SOURCES)/%.c
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 -w $(HARDENING) $(CFLAGS_$(FLAVOR)) $(CFLAGS) -fno-sanitize=all $(LLHTTP_CFLAGS) -c -o $@ $<

# made anew each time: an object whose source is gone must not stay in it
# modules see leat.h only, and are C11 without extensions
MODULE_FLAGS = -Icore -shared -fPIC $(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(WARNINGS)) \
	-Wextra -Wpedantic -fstack-protector-strong $(CFLAGS_$(FLAVOR)) $(LDFLAGS_$(FLAVOR)) -pthread -MMD -MP

$(OUT)/tests/modules/%.so: tests/modules/%.c
	@mkdir -p $(@D)
	@echo "SO $<"
	@$(CC) -std=c11 $(MODULE_FLAGS) -o $@ $<

$(OUT)/tests/modules/%.so: tests/modules/%.cc
	@mkdir -p $(@D)
	@echo "SO $<"
	@$(CXX) -std=c++11 -fno-gnu-unique $(MODULE_FLAGS) -o $@ $<

$(OUT)/examples/%.so: conf/examples/%.c
	@mkdir -p $(@D)
	@echo "SO $<"
	@$(CC) -std=c11 $(MODULE_FLAGS) -o $@ $<

$(OUT)/examples/%.yaml: conf/examples/%.yaml
	@mkdir -p $(@D)
	@cp $< $@

$(LIBRARY): $(LIB_OBJECTS) $(LLHTTP_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BINARY): $(OUT)/server/main.o $(LIBRARY) $(SHIM)
	@echo "LD $@"
	@$(CC) $(ALL_LDFLAGS) -o $@ $< $(SHIM) $(LIBRARY) $(PKG_LIBS) $(LLHTTP_LIBS)

# gcc builds a program that replays the corpus, FLAVOR=fuzz a fuzzer
FUZZ_MAIN := $(OUT)/tests/fuzz/replay/main.o
ifeq ($(FLAVOR),fuzz)
FUZZ_MAIN :=
FUZZ_LDFLAGS := -fsanitize=fuzzer
endif

$(OUT)/tests/fuzz/%: $(OUT)/tests/fuzz/%.o $(FUZZ_MAIN) $(TEST_LIB) $(LIBRARY) $(SHIM)
	@$(CC) $(ALL_LDFLAGS) $(FUZZ_LDFLAGS) -o $@ $< $(FUZZ_MAIN) $(TEST_LIB) $(SHIM) $(LIBRARY) $(PKG_LIBS) $(LLHTTP_LIBS)

$(OUT)/tests/%: $(OUT)/tests/%.o $(TEST_LIB) $(LIBRARY) $(SHIM)
	@$(CC) $(ALL_LDFLAGS) -o $@ $< $(TEST_LIB) $(SHIM) $(LIBRARY) $(PKG_LIBS) $(LLHTTP_LIBS)

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
