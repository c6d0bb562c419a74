// The airlock between C++ and the server.
//
// Law: a longjmp may cross only frames without destructors, a throw may cross only C++ frames, and only the
// functions here convert one into the other. Nothing else contains PG_TRY, sigsetjmp or catch (...).
//
//   enter(f)       every entry from the server (SQL function, worker main, COPY callback, exit callback):
//                  an exception that leaves f becomes ereport(ERROR), after all C++ objects are gone.
//   call(f)        every call into the server that can raise: an ERROR becomes a ServerError exception.
//                  f holds server calls only, no object with a destructor, no call back into our C++.
//   on_failure     runs a clean-up that must not wait for a destructor, then lets the exception go on.
#pragma once

#include <type_traits>
#include <utility>

#include "core/base/error.h"

struct ErrorData;

namespace tablesync::pg {

// An ERROR that the server raised in this process: its transaction (or subtransaction) is broken. Caught
// in the airlock, in in_subtransaction() and in the worker's main function; all other code lets it pass.
class ServerError : public Error {
 public:
  using Error::Error;
};

// The fields of an error of the server, copied.
Diagnostics diagnostics_of(const ErrorData &data);

namespace detail {

struct Handler {  // PG_exception_stack and error_context_stack
  void *exception_stack;
  void *context_stack;
};
Handler current_handler() noexcept;
void restore_handler(const Handler &handler) noexcept;

class HandlerScope {
 public:
  HandlerScope() noexcept : saved_(current_handler()) {}
  ~HandlerScope() { restore_handler(saved_); }
  HandlerScope(const HandlerScope &) = delete;
  HandlerScope &operator=(const HandlerScope &) = delete;

 private:
  Handler saved_;
};

// Runs body(argument) under its own handler; throws ServerError if the server raised an error.
void guarded(void (*body)(void *), void *argument);

struct Failure {
  ErrorData *data;
  bool from_server;  // its context is complete
};
// The exception being handled, as data of the server. Call it in a catch block only.
Failure describe_failure() noexcept;
[[noreturn]] void raise(const Failure &failure);

}  // namespace detail

template <typename F>
auto call(F f) {
  using R = std::invoke_result_t<F &>;
  static_assert(std::is_trivially_destructible_v<F>, "capture references and plain data only");
  if constexpr (std::is_void_v<R>) {
    detail::guarded([](void *body) { (*static_cast<F *>(body))(); }, &f);
  } else {
    static_assert(std::is_trivially_destructible_v<R>, "return plain data only");
    struct Bound {
      F *body;
      R result;
    } bound{&f, R{}};
    detail::guarded(
        [](void *argument) {
          auto *b = static_cast<Bound *>(argument);
          b->result = (*b->body)();
        },
        &bound);
    return bound.result;
  }
}

template <typename F>
auto enter(F f) -> std::invoke_result_t<F &> {
  detail::Failure failure;
  {
    detail::HandlerScope scope;
    try {
      return f();
    } catch (...) {
      failure = detail::describe_failure();
    }
  }
  detail::raise(failure);
}

template <typename F, typename C>
auto on_failure(F f, C clean_up) -> std::invoke_result_t<F &> {
  static_assert(noexcept(clean_up()), "a clean-up that throws would hide the failure");
  try {
    return f();
  } catch (...) {
    clean_up();
    throw;
  }
}

}  // namespace tablesync::pg
