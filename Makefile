# Tandem: one makefile for everything; `make help` lists the targets.
# Programs and objects go to build/ (B=...); sources are found by folder.

PREFIX	?= /usr/local
DESTDIR	?=
B	?= build
CC	?= cc
SAN	?=
OPT	?= -O2 -g
WERROR	?=
VERSION	:= $(shell git describe --always --dirty 2>/dev/null || echo 0.1)

# Debian packages: to build and run; what tests, demo and benchmark add.
DEPS	 = build-essential pkg-config libevent-dev libedit-dev libncurses-dev \
	libsofia-sip-ua-dev libsqlite3-dev libssl-dev libjansson-dev \
	libwslay-dev libseccomp-dev libraft-dev libuv1-dev libzstd-dev openssl \
	jq
DEPS_TEST = libcmocka-dev clang libclang-rt-14-dev clang-format cppcheck \
	mandoc sip-tester baresip netcat-openbsd iproute2 iptables sqlite3 tmux \
	procps python3 curl openssh-server openssh-client tshark \
	kamailio kamailio-sqlite-modules rtpengine-daemon
JOBS	?= $(shell nproc)

PKGS	= libevent_core libevent_extra libevent_openssl sofia-sip-ua sqlite3 \
	libssl libcrypto jansson libseccomp raft libuv libzstd
CFLAGS	= -std=c17 -D_GNU_SOURCE $(OPT) $(SAN) $(WERROR) -I. \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wpointer-arith -Wformat=2 -Wvla \
	-fno-strict-aliasing -fstack-protector-strong -fPIE \
	-DTANDEM_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
LDFLAGS	= -pie -Wl,-z,relro,-z,now $(SAN)
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS) \
	| sed 's/-I/-isystem /g'))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)) \
	-lwslay -lm)$(PKG_LIBS)

MAIN_SRC := daemon/main.c
LIB_SRC	 := $(wildcard daemon/*/*.c replication/*.c plan/*.c) daemon/table.c
CON_SRC	 := $(wildcard console/*.c console/*/*.c)
UNIT	 := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*_test.c))
FUZZ	 := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*_fuzz.c))
TOOL	 := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c tests/tool/*.c))
TEST_LIB := $(wildcard tests/lib/*.c)

obj	= $(patsubst %.c,$(B)/%.o,$(1))
Q	= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

all: $(B)/tandemd $(B)/tandem

$(B)/libtandem.a: $(call obj,$(LIB_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tandemd: $(call obj,$(MAIN_SRC)) $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The console apart from its main, so that tests can call it.
$(B)/libconsole.a: $(call obj,$(filter-out console/main.c,$(CON_SRC)))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tandem: $(B)/console/main.o $(B)/libconsole.a $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -ledit -lncursesw

$(B)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Unit tests see malloc and the disk fail where they ask for it
# (tests/lib/fault.h).
WRAPPED	= malloc calloc realloc strdup fallocate
WRAP	= $(patsubst %,-Wl$(comma)--wrap=%,$(WRAPPED))
comma	= ,
$(B)/libtest.a: $(call obj,$(TEST_LIB))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(UNIT): $(B)/%: $(B)/%.o $(B)/libtest.a $(B)/libconsole.a $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(WRAP) -o $@ $^ $(B)/libtest.a -lcmocka \
	    $(PKG_LIBS) -ledit -lncursesw

# The console with a clock that stands still, and a server to look at.
RIG	= $(B)/tests/tool/screen_rig
$(filter-out $(RIG),$(TOOL)): $(B)/%: $(B)/%.o $(B)/libtest.a $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(RIG): $(RIG).o $(B)/libconsole.a $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -Wl,--wrap=clock_real -o $@ $^ $(PKG_LIBS) \
	    -ledit -lncursesw

# The machine as servers of a lab see it (tests/lab/machine.c, power.c).
$(B)/tests/lab/%.so: tests/lab/%.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fPIC -shared -o $@ $<

$(FUZZ): $(B)/%: $(B)/%.o $(B)/libconsole.a $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

unit-programs: $(UNIT)
fuzz-programs: $(FUZZ)
tools: $(TOOL) $(B)/tests/lab/machine.so $(B)/tests/lab/power.so

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- what an operator asks for ---------------------------------------------

deps:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends $(DEPS) $(DEPS_TEST)

# Packages when they are missing: installed by root, named to others.
deps-there:
	@missing=$$(for p in $(DEPS) $(DEPS_WANTED); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | \
	    grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ $$(id -u) -eq 0 ]; then $(MAKE) -s deps; else \
	    echo "missing packages, to be installed by root:" $$missing; \
	    exit 1; fi

run: deps-there
	@$(MAKE) -s -j$(JOBS) all
	@tests/lib/site run

demo: DEPS_WANTED = baresip netcat-openbsd
demo: deps-there
	@$(MAKE) -s -j$(JOBS) all tools
	@tests/demo/demo

# ---- what a developer asks for ---------------------------------------------

FUZZ_TIME ?= 10
# GCC warns falsely of code that the sanitizers add: no -Werror there.
ASAN	= SAN='-fsanitize=address,undefined -fno-omit-frame-pointer' \
	OPT='-O1 -g' WERROR=
PROCESS	= $(sort $(wildcard tests/process/*.sh))
# Real calls while servers come and go: nothing else may load the machine.
CALM	= $(patsubst %,tests/process/%.sh,far_call far_locate grow hold lab \
	roles witness)

check: DEPS_WANTED = $(DEPS_TEST)
check: deps-there
	@$(MAKE) -s -j$(JOBS) all unit-programs tools
	@tests/run -b tests/lint/lint.sh -b tests/lint/asan_build.sh \
	    -b tests/lint/fuzz.sh $(UNIT) $(filter-out $(CALM),$(PROCESS)) \
	    wait $(CALM) tests/lint/asan.sh

check-unit: unit-programs
	@tests/run $(UNIT)

check-process: all tools
	@tests/run $(PROCESS)

# What the scripts of the two run: they build it first.
asan-build:
	@$(MAKE) -s -j$(JOBS) B=build/asan $(ASAN) unit-programs all

asan:
	@tests/run tests/lint/asan.sh

FUZZ_SAN = SAN='-fsanitize=fuzzer-no-link,address,undefined' OPT='-O1 -g'
fuzz-build:
	@$(MAKE) -s -j$(JOBS) B=build/fuzz CC=clang $(FUZZ_SAN) fuzz-programs

fuzz:
	@FUZZ_TIME=$(FUZZ_TIME) tests/run -v tests/lint/fuzz.sh

lint:
	@tests/run -v tests/lint/lint.sh

# Not in `make check`: more faults than its few (tests/lab/faults).
N	?= 100
SEED	?= 1
SERVERS	?= 3
faults: DEPS_WANTED = $(DEPS_TEST)
faults: deps-there
	@$(MAKE) -s -j$(JOBS) all tools
	@tests/lab/faults $(N) $(SEED) $(SERVERS) $(WITNESS)

drill:
	@$(MAKE) -s faults N=1000
	@$(MAKE) -s faults N=1000 SERVERS=2 WITNESS=witness

bench: DEPS_WANTED = $(DEPS_TEST)
bench: deps-there
	@$(MAKE) -s -j$(JOBS) all tools
	@tests/bench/run

# ---- manual pages and installation -----------------------------------------

# A tree of them, which `man -M` takes: those that are written, and those that
# man/pages.c computes from the tables.
MAN	= $(B)/man
PAGES	= $(wildcard man/*.[1578])
MANDIR	= $(DESTDIR)$(PREFIX)/share/man

$(MAN)/pages: $(B)/man/pages.o $(B)/libconsole.a $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -ledit -lncursesw

$(MAN)/.made: $(MAN)/pages $(PAGES)
	$(call say,MAN,$(MAN))
	$(Q)rm -rf $(MAN)/man? $(MAN)/mandoc.db
	$(Q)for f in $(PAGES); do \
	    install -D -m 644 $$f $(MAN)/man$${f##*.}/$${f##*/}; done
	$(Q)$(MAN)/pages $(MAN) && touch $@

# That what is referred to is there tests/lint/lint.sh sees: mandoc looks for
# it where pages are installed.
man: $(MAN)/.made
	@command -v mandoc > /dev/null || { echo 'mandoc is missing'; exit 1; }
	@! mandoc -Tlint $(MAN)/man?/* 2> /dev/null | \
	    grep -v 'referenced manual not found\|outdated mandoc.db'

install: all $(MAN)/.made
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)/etc/tandem $(DESTDIR)/lib/systemd/system
	install $(B)/tandemd $(DESTDIR)$(PREFIX)/sbin/
	install $(B)/tandem $(DESTDIR)$(PREFIX)/bin/
	ln -sf tandem $(DESTDIR)$(PREFIX)/bin/tandem-shell
	sed 's|@BIN@|$(PREFIX)/bin|' console/ssh-setup > \
	    $(DESTDIR)$(PREFIX)/sbin/tandem-ssh-setup
	chmod 755 $(DESTDIR)$(PREFIX)/sbin/tandem-ssh-setup
	for s in 1 5 7 8; do install -d $(MANDIR)/man$$s && \
	    install -m 644 $(MAN)/man$$s/* $(MANDIR)/man$$s/; done
	[ -e $(DESTDIR)/etc/tandem/tandem.conf ] || \
	    install -m 644 daemon/tandem.conf $(DESTDIR)/etc/tandem/
	sed 's|@SBIN@|$(PREFIX)/sbin|' daemon/tandem.service > \
	    $(DESTDIR)/lib/systemd/system/tandem.service
	[ -n "$(DESTDIR)" ] || daemon/users $(B)/tandemd

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/tandemd $(DESTDIR)$(PREFIX)/bin/tandem \
	    $(DESTDIR)$(PREFIX)/bin/tandem-shell \
	    $(DESTDIR)$(PREFIX)/sbin/tandem-ssh-setup \
	    $(DESTDIR)/lib/systemd/system/tandem.service \
	    $(addprefix $(MANDIR)/,man1/tandem.1 man5/tandem.conf.5 \
	    man7/tandem.7 man8/tandemd.8) $(MANDIR)/man[157]/tandem-*.[157]

clean:
	rm -rf build

help:
	@echo 'make               build build/tandemd and build/tandem'
	@echo 'make run           a one-server site with a demo domain, and its console'
	@echo 'make demo          two phones, a call, its tones checked; no hands needed'
	@echo 'make check         build and run all tests (check-unit, check-process: parts)'
	@echo 'make lint          format, static analysis, floors, sizes, manual pages'
	@echo 'make asan          unit tests under ASan and UBSan'
	@echo 'make fuzz          every fuzz target for FUZZ_TIME=10 seconds'
	@echo 'make faults        N=100 faults under load on SERVERS=3 WITNESS= (root)'
	@echo 'make drill         a thousand of them, and a thousand with a witness'
	@echo 'make bench         our load generators beside the installed rivals'
	@echo 'make man           manual pages in build/man, checked'
	@echo 'make deps          install Debian packages (root)'
	@echo 'make install       PREFIX=/usr/local DESTDIR=; also uninstall'
	@echo 'make clean         remove build/'
	@echo 'variables          V=1 shows commands, WERROR=-Werror, B=build folder'

.SECONDARY:
.PHONY: all unit-programs fuzz-programs tools deps deps-there run demo check \
	check-unit check-process asan asan-build fuzz fuzz-build lint \
	faults drill bench man install uninstall clean help
