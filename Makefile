# Builds, installs and tests the extension with PGXS. The only builder of the module.
EXTENSION = pg_tablesync
MODULE_big = pg_tablesync
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
DATA = $(EXTENSION)--$(EXTVERSION).sql

SOURCES := $(sort $(wildcard src/core/*/*.cpp src/remote/*.cpp src/pg/*.cpp src/pg/*/*.cpp))
OBJS = $(SOURCES:.cpp=.o)
EXTRA_CLEAN = $(OBJS:.o=.d) $(OBJS:.o=.gcno) $(OBJS:.o=.gcda)

# 00_setup makes the source database and the roles that the others use.
REGRESS = 00_setup $(sort $(filter-out 00_setup,$(notdir $(basename $(wildcard sql/*.sql)))))

PG_CONFIG ?= pg_config
# The server inlines nothing from this module, and bitcode would need a second compiler.
override with_llvm := no

# Instrumentation for test builds: SAN=-fsanitize=..., COV=--coverage
SAN ?=
COV ?=
# FAULTS=1: places where tests make a run fail (src/pg/server/fault.h). "make clean" before it changes.
FAULTS ?=
PG_CPPFLAGS = $(if $(FAULTS),-DTABLESYNC_FAULTS) -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -isystem $(shell $(PG_CONFIG) --includedir)
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -Werror -Wno-register -MMD -MP $(SAN) $(COV)
SHLIB_LINK = $(libpq) -lstdc++ -Wl,--version-script=src/exports.map $(SAN) $(COV)

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(shlib): src/exports.map
# A compiler that was killed can leave half a file: "make clean" must still be able to remove it.
ifeq ($(filter clean distclean,$(MAKECMDGOALS)),)
-include $(OBJS:.o=.d)
endif

# The module exports its entries, all of them, and nothing else. (PostgreSQL 15 marks its entries for no
# visibility at all, so the linker's export list is the only filter.)
.PHONY: check-exports
check-exports: $(shlib)
	@exports=$$(nm -D --defined-only $(shlib) | awk '{print $$3}'); \
	unexpected=$$(echo "$$exports" | grep -vE '^(Pg_magic_func|_PG_init|pg_finfo_tablesync_[a-z_]+|tablesync_[a-z_]+)$$'); \
	if [ -n "$$unexpected" ]; then echo "unexpected exports: $$unexpected"; exit 1; fi; \
	for entry in Pg_magic_func _PG_init $$(sed -n "s/.*AS 'MODULE_PATHNAME', '\([a-z_]*\)'.*/\1/p" $(DATA)); do \
	  echo "$$exports" | grep -qx "$$entry" || { echo "missing export: $$entry"; exit 1; }; \
	done

# How each source is compiled, for clang-tidy. PGXS compiles by the rules that are built into make.
COMPILE_COMMANDS ?= compile_commands.json
EXTRA_CLEAN += compile_commands.json
$(COMPILE_COMMANDS): Makefile $(SOURCES)
	@for source in $(SOURCES); do \
	  printf '{"directory": "%s", "file": "%s", "command": "%s -o %s %s"}\n' \
	    "$(CURDIR)" "$$source" "$(COMPILE.cc)" "$${source%.cpp}.o" "$$source"; \
	done | sed '1s/^/[/; $$!s/$$/,/; $$s/$$/]/' >$@
