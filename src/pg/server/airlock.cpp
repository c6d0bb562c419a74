#include "pg/server/airlock.h"

extern "C" {
#include "postgres.h"

#include "utils/guc.h"
#include "utils/memutils.h"
}

#include <csetjmp>
#include <new>

namespace tablesync::pg {

Diagnostics diagnostics_of(const ErrorData &data) {
  const auto text = [](const char *value) { return std::string(value != nullptr ? value : ""); };
  Diagnostics diagnostics;
  diagnostics.sqlstate = unpack_sql_state(data.sqlerrcode);
  diagnostics.message = text(data.message);
  diagnostics.detail = text(data.detail);
  diagnostics.hint = text(data.hint);
  diagnostics.context = text(data.context);
  diagnostics.schema = text(data.schema_name);
  diagnostics.table = text(data.table_name);
  diagnostics.column = text(data.column_name);
  diagnostics.datatype = text(data.datatype_name);
  diagnostics.constraint = text(data.constraint_name);
  return diagnostics;
}

namespace detail {

Handler current_handler() noexcept { return {PG_exception_stack, error_context_stack}; }

void restore_handler(const Handler &handler) noexcept {
  PG_exception_stack = static_cast<sigjmp_buf *>(handler.exception_stack);
  error_context_stack = static_cast<ErrorContextCallback *>(handler.context_stack);
}

namespace {

// The error being raised, copied out of the server's error state, which is left clean.
ErrorData *copy_and_flush() {
  HandlerScope scope;
  ErrorData *volatile copy = nullptr;
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    copy = CopyErrorData();
  }
  FlushErrorState();
  return copy;
}

Diagnostics take_error() {
  ErrorData *copy = copy_and_flush();
  if (copy == nullptr) throw std::bad_alloc();
  Diagnostics diagnostics = diagnostics_of(*copy);
  FreeErrorData(copy);
  return diagnostics;
}

char *copied(const std::string &value) { return value.empty() ? nullptr : pstrdup(value.c_str()); }

ErrorData *to_error_data(const Diagnostics &diagnostics) {
  return call([&] {
    auto *data = static_cast<ErrorData *>(palloc0(sizeof(ErrorData)));
    data->elevel = ERROR;
    const char *const code = diagnostics.sqlstate.c_str();
    data->sqlerrcode = diagnostics.sqlstate.size() == 5
                           ? MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])
                           : ERRCODE_INTERNAL_ERROR;
    data->message = pstrdup(diagnostics.message.c_str());
    data->detail = copied(diagnostics.detail);
    data->hint = copied(diagnostics.hint);
    data->context = copied(diagnostics.context);
    data->schema_name = copied(diagnostics.schema);
    data->table_name = copied(diagnostics.table);
    data->column_name = copied(diagnostics.column);
    data->datatype_name = copied(diagnostics.datatype);
    data->constraint_name = copied(diagnostics.constraint);
    data->assoc_context = CurrentMemoryContext;
    return data;
  });
}

// Used if there is no memory for more.
ErrorData *out_of_memory() {
  static char message[] = "out of memory";
  static ErrorData data;
  data.elevel = ERROR;
  data.sqlerrcode = ERRCODE_OUT_OF_MEMORY;
  data.message = message;
  data.assoc_context = ErrorContext;
  return &data;
}

}  // namespace

void guarded(void (*body)(void *), void *argument) {
  HandlerScope scope;
  MemoryContext const caller = CurrentMemoryContext;
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    body(argument);
    return;
  }
  MemoryContextSwitchTo(caller);
  throw ServerError(take_error());
}

Failure describe_failure() noexcept {
  try {
    try {
      throw;
    } catch (const ServerError &e) {
      return {to_error_data(e.diagnostics()), true};
    } catch (const Error &e) {
      return {to_error_data(e.diagnostics()), false};
    } catch (const std::bad_alloc &) {
      return {out_of_memory(), false};
    } catch (const std::exception &e) {
      return {to_error_data(Error(sqlstate::internal, e.what()).diagnostics()), false};
    }
  } catch (...) {
    return {out_of_memory(), false};
  }
}

void raise(const Failure &failure) {
  if (failure.from_server) {
    // ReThrowError keeps the destination of the error, because it does not run errstart() again.
    failure.data->output_to_server = log_min_messages == LOG ? false : log_min_messages <= ERROR;
    failure.data->output_to_client = true;
    ReThrowError(failure.data);
  }
  ThrowErrorData(failure.data);
  pg_unreachable();
}

}  // namespace detail
}  // namespace tablesync::pg
