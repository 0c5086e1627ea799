#pragma once
#include <libxml/xmlversion.h>
// Where libxml2 converts with ICU, its headers bring ICU's, which are another version than Foundation's own. Only a structure that
// nobody here looks into has a different size then.
#undef LIBXML_ICU_ENABLED
#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

/// `xmlFree` is a variable that anybody may set; nobody here does.
static inline void openagent_xml_free(void *memory) { xmlFree(memory); }
