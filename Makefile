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
	libwslay-dev libseccomp-dev openssl
DEPS_TEST = libcmocka-dev clang libclang-rt-14-dev clang-format cppcheck \
	mandoc sip-tester baresip iproute2 sqlite3 jq tmux procps \
	kamailio kamailio-sqlite-modules rtpengine-daemon

PKGS	= libevent_core sofia-sip-ua sqlite3 libssl libcrypto jansson \
	libseccomp
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

LIB_SRC	 := $(wildcard daemon/*/*.c replication/*.c plan/*.c)
MAIN_SRC := $(wildcard daemon/*.c)
CON_SRC	 := $(wildcard console/*.c)
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

$(B)/tandem: $(call obj,$(CON_SRC)) $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -ledit -lncursesw

$(B)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Unit tests see malloc fail where they ask for it (tests/lib/fault.h).
WRAP	= -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
$(UNIT): $(B)/%: $(B)/%.o $(call obj,$(TEST_LIB)) $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(WRAP) -o $@ $^ -lcmocka $(PKG_LIBS)

$(TOOL): $(B)/%: $(B)/%.o $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(FUZZ): $(B)/%: $(B)/%.o $(B)/libtandem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

unit-programs: $(UNIT)
fuzz-programs: $(FUZZ)
tools: $(TOOL)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.SECONDARY:
.PHONY: all unit-programs fuzz-programs tools
