# The library for other programs, and what `make install` puts where:
#
#   make install PREFIX=/usr/local [DESTDIR=...]    headers, libraries, runnel.pc, CMake package, programs, pages
#   make uninstall PREFIX=/usr/local                the same files, and nothing else, are removed
#
# Programs are installed as runnel-httpd and so on, so that none stands in front of another of its name.
PREFIX         ?= /usr/local
LIBDIR         ?= $(PREFIX)/lib
INCLUDEDIR     ?= $(PREFIX)/include
BINDIR         ?= $(PREFIX)/bin
MANDIR         ?= $(PREFIX)/share/man
PROGRAM_PREFIX ?= runnel-

VERSION := $(shell sed -n 's/^.define RN_VERSION "\(.*\)"/\1/p' include/runnel/base.h)
SONAME  := librunnel.so.$(firstword $(subst ., ,$(VERSION)))
SHARED  := $(HOUT)/librunnel.so.$(VERSION)
HEADERS := $(wildcard include/runnel/*.h)
PACKAGE  = PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' INCLUDEDIR='$(INCLUDEDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' \
           PROGRAM_PREFIX='$(PROGRAM_PREFIX)' VERSION=$(VERSION) SONAME=$(SONAME) LIBRARIES=$(HOUT) PROGRAMS=$(OUT)

lib: $(SHARED)

# Only what a public header names is visible; a program that was linked with a later major version is refused.
$(HOUT)/runnel.map: $(HEADERS)
	@mkdir -p $(@D)
	{ echo 'RUNNEL_$(firstword $(subst ., ,$(VERSION))) {'; echo 'global:'; \
	  $(CC) -E -P -Iinclude include/runnel/runnel.h | grep -o '\<rn_[a-z0-9_]*\>' | sort -u | sed 's/$$/;/'; \
	  echo 'local: *;'; echo '};'; } > $@

$(SHARED): $(call hosted,$(COMMON) $(HOSTED_ONLY)) $(HOUT)/runnel.map
	$(CC) $(HOSTED) -shared -Wl,-soname,$(SONAME),--version-script=$(HOUT)/runnel.map -Wl,-Bsymbolic-functions,-z,relro,-z,now \
	    -o $@ $(filter %.o,$^) -pthread
	ln -sf $(@F) $(HOUT)/$(SONAME)
	ln -sf $(@F) $(HOUT)/librunnel.so

install uninstall: export ROOT := $(DESTDIR)
install: all lib
	@package/install put $(PACKAGE)

uninstall:
	@package/install remove $(PACKAGE)

.PHONY: install uninstall
