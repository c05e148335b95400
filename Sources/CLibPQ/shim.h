// libpq, and the little of Linux that Swift's Glibc module leaves out.
#ifndef SWIFT_FAILOVER_CLIBPQ_SHIM_H
#define SWIFT_FAILOVER_CLIBPQ_SHIM_H

#include <libpq-fe.h>
#include <pthread.h>
#include <sys/eventfd.h>

// Declared by <pthread.h> only under _GNU_SOURCE, which a module's importer cannot set.
int pthread_setname_np(pthread_t thread, const char *name);

// libpq names these fields by character macros, which Swift does not import.
enum {
  CLIBPQ_DIAG_SEVERITY = PG_DIAG_SEVERITY_NONLOCALIZED,
  CLIBPQ_DIAG_SQLSTATE = PG_DIAG_SQLSTATE,
  CLIBPQ_DIAG_MESSAGE = PG_DIAG_MESSAGE_PRIMARY,
  CLIBPQ_DIAG_DETAIL = PG_DIAG_MESSAGE_DETAIL,
  CLIBPQ_DIAG_HINT = PG_DIAG_MESSAGE_HINT,
  CLIBPQ_DIAG_SCHEMA = PG_DIAG_SCHEMA_NAME,
  CLIBPQ_DIAG_TABLE = PG_DIAG_TABLE_NAME,
  CLIBPQ_DIAG_COLUMN = PG_DIAG_COLUMN_NAME,
  CLIBPQ_DIAG_CONSTRAINT = PG_DIAG_CONSTRAINT_NAME
};

#endif
