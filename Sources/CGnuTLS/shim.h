#pragma once
#include <gnutls/gnutls.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

/* gnutls_free is both a macro and a mutable global function pointer, which Swift 6 refuses. */
static inline void cgnutls_free(void *pointer) { (gnutls_free)(pointer); }
